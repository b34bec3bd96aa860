import { logOf, type Client, type FileBody, type Message } from 'bellhop-client'
import type { Page } from 'playwright-core'
import type { View } from './browser.js'
import { agent, name, until, user, waiting } from './world.js'

/** A user on the page and an agent by the SDK, in a served session. */
export async function served(v: View = {}) {
  const queue = name('q')
  const ann = await agent(queue)
  const p = await user(v, queue)
  await p.page.getByRole('button', { name: v.lang === 'zh-CN' ? '开始咨询' : 'Start' }).click()
  const session = await waiting(ann, queue)
  await ann.grab(session)
  await ann.load(session)
  await p.page.getByRole('textbox').waitFor()
  return { queue, ann, p, page: p.page, session }
}

export const messages = (c: Client, session: string) => logOf(c.state, session).messages.filter((m) => m.type !== 'system')

/** The message that comes after so many. */
export async function nth(c: Client, session: string, n: number) {
  await until(() => messages(c, session).length > n, `message ${n + 1}`)
  return messages(c, session)[n]! as Message & { body: FileBody }
}

/** Pastes as a keyboard does: what is in the clipboard, into what has the focus. */
export async function paste(page: Page, items: Record<string, string | Buffer>) {
  const all = Object.entries(items).map(([type, x]) => ({ type, text: typeof x === 'string', data: typeof x === 'string' ? x : x.toString('base64') }))
  await page.evaluate(async (all) => {
    const blobs = all.map(({ type, text, data }) => [type, new Blob([text ? data : Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type })] as const)
    await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))])
  }, all)
  await page.keyboard.press('Control+v')
}

/** Drops, or pastes, what a program gives that no clipboard of a page could hold. */
export async function bring(page: Page, target: string, kind: 'drop' | 'paste', text: Record<string, string>, files: { name: string; type: string; data: Buffer }[]) {
  const given = files.map(({ data, ...f }) => ({ ...f, base64: data.toString('base64') }))
  return page.locator(target).evaluate((el, { kind, text, given }) => {
    const data = new DataTransfer()
    for (const [type, x] of Object.entries(text)) data.setData(type, x)
    for (const f of given) data.items.add(new File([Uint8Array.from(atob(f.base64), (c) => c.charCodeAt(0))], f.name, { type: f.type }))
    const e = kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
    el.dispatchEvent(e)
    return e.defaultPrevented
  }, { kind, text, given })
}
