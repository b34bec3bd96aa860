import { ESLint } from 'eslint'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/** The lines to which the project's own linter says that they use what it forbids, in a file of the pages. */
async function forbidden(lines: string[]) {
  const eslint = new ESLint({ cwd: root, ruleFilter: ({ ruleId }) => ruleId.startsWith('no-restricted'), overrideConfig: { languageOptions: { parserOptions: { projectService: false } } } })
  const [r] = await eslint.lintText(lines.join('\n'), { filePath: join(root, 'web/src/lib/time.ts') })
  return r!.messages.map((m) => (m.ruleId ? lines[m.line - 1] : m.message))
}

it('is a breach of the rules to use what may be denied without a guard', async () => {
  const bare = ['localStorage.length', 'sessionStorage.length', 'window.localStorage', 'globalThis.sessionStorage', "self['localStorage']", 'navigator.locks', 'document.cookie', 'indexedDB.databases()', "new BroadcastChannel('x')", "new Notification('x')", 'Notification.permission']
  expect(await forbidden([...bare, 'local.length', 'navigator.language', 'document.title'])).toEqual(bare)
}, 60_000)
