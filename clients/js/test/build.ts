import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    bellhop: string
  }
}

/** Builds the server that the tests start, once, unless $SERVER_UNDER_TEST names one that is built. */
export default function setup(project: TestProject) {
  const built = process.env.SERVER_UNDER_TEST
  if (built) {
    project.provide('bellhop', built)
    return
  }
  const dir = mkdtempSync(join(tmpdir(), 'bellhop-js-'))
  const bin = join(dir, 'bellhop')
  execFileSync('go', ['build', '-o', bin, './app'], { cwd: join(import.meta.dirname, '../../..'), stdio: 'inherit' })
  project.provide('bellhop', bin)
  return () => rmSync(dir, { recursive: true })
}
