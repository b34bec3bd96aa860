import { join } from 'node:path'
import { build } from 'vite'

/** The file for mini programs as it is published. */
export async function bundle() {
  const root = join(import.meta.dirname, '../..')
  const built = await build({ root, mode: 'mini', configFile: join(root, 'vite.config.ts'), logLevel: 'error', build: { write: false } })
  const files = (built as unknown as { output: { fileName: string; code: string }[] }[]).flatMap((b) => b.output)
  return files.find((f) => f.fileName === 'mini/index.js')!.code
}
