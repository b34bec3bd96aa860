import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, it } from 'vitest'

it('is under 9 KB', async () => {
  const root = join(import.meta.dirname, '..')
  const out = await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'error', build: { write: false } })
  const [{ output }] = out as unknown as [{ output: { type: string; code: string }[] }]
  const code = output.filter((o) => o.type === 'chunk').map((o) => o.code).join('')
  const size = gzipSync(code, { level: 9 }).length
  console.info(`bellhop-client: ${size} bytes gzipped`)
  expect(size).toBeGreaterThan(1000)
  expect(size).toBeLessThan(9 * 1024)
})
