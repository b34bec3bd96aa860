import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/**
 * Replaces scripts and styles by their gzip and brotli forms, the only ones that are committed: the server unpacks the one for whoever
 * takes neither.
 */
export function compressed(): Plugin {
  let dir = ''
  return {
    name: 'compressed',
    apply: 'build',
    configResolved: (c) => {
      dir = join(c.root, c.build.outDir)
    },
    closeBundle: () => {
      for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
        const path = join(dir, file)
        if (!/\.(js|css|svg)$/.test(file) || !statSync(path).isFile()) continue
        const content = readFileSync(path)
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }))
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }))
        rmSync(path)
      }
    },
  }
}
