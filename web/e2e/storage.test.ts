import type { Page } from 'playwright-core'
import { beforeAll, expect, it } from 'vitest'
import { at, launchWith, Person } from './browser.js'
import { ann, badge, browser, bubble, eventually, frame, site, useSite } from './site.js'

useSite()
beforeAll(() => {
  site.page = () => `<!doctype html><html lang="en"><head><title>shop</title>${site.tag()}</head><body><h1>shop</h1></body></html>`
})

/** Run in every page and frame before its scripts: what people's browsers do. */
const denials: Record<string, () => void> = {
  'throws where it is looked for': () => {
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches', 'Notification'])
      Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError') } })
    Object.defineProperty(window, 'BroadcastChannel', { value: class { constructor() { throw new DOMException('denied', 'SecurityError') } } })
    Object.defineProperty(navigator, 'locks', { get() { throw new DOMException('denied', 'SecurityError') } })
  },
  'is null': () => {
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'Notification']) Object.defineProperty(window, name, { value: null })
    Object.defineProperty(window, 'BroadcastChannel', { value: undefined })
    Object.defineProperty(navigator, 'locks', { value: undefined })
  },
  'throws where it is used': () => {
    for (const name of ['getItem', 'setItem', 'removeItem', 'key'] as const) Storage.prototype[name] = () => { throw new DOMException('denied', 'SecurityError') }
    Object.defineProperty(Storage.prototype, 'length', { get() { throw new DOMException('denied', 'SecurityError') } })
    LockManager.prototype.request = () => Promise.reject(new DOMException('denied', 'SecurityError'))
  },
  'is full': () => {
    Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }
  },
}

/** A browser that denies, by a script or by its own settings. */
type Deny = () => Promise<Person>
const ways: Record<string, Deny> = {
  ...Object.fromEntries(
    Object.entries(denials).map(([what, script]): [string, Deny] => [
      `storage ${what}`,
      async () => {
        const p = await Person.open(browser)
        await p.context.addInitScript(script)
        return p
      },
    ]),
  ),
  'site data blocked in the settings': async () => Person.in(await launchWith({ default_content_setting_values: { cookies: 2 } })),
  'third-party cookies blocked in the settings': async () => Person.in(await launchWith({ block_third_party_cookies: true, cookie_controls_mode: 1 })),
}

/** Whether the page, or the frame in it, is really denied its storage. */
const denied = (p: Pick<Page, 'evaluate'>) =>
  p.evaluate(() => {
    try {
      localStorage.setItem('x', 'x')
      return localStorage.getItem('x') !== 'x'
    } catch {
      return true
    }
  })

/** The visitor writes, and the agent answers. */
async function talk(write: (text: string) => Promise<void>, read: (text: string) => Promise<void>, session: string) {
  await write('from me')
  await eventually(() => ann.state.sessions[session]?.seq, 3, 'what was sent')
  await ann.send(session, 'from ann')
  await read('from ann')
}

let n = 0
for (const [way, open] of Object.entries(ways)) {
  const own = !way.startsWith('third')
  if (own) it(`chats on its own page: ${way}`, async () => {
    const p = await open()
    const { page } = p
    await page.goto(await at(site.bellhop, 'chat', 'user', `uma-${++n}`, { name: 'Uma' }))
    expect(await denied(page)).toBe(true)
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('button', { name: '开始咨询' }).click()
    await eventually(() => ann.state.queues['default']?.waiting.length, 1)
    const { id } = await ann.grab(ann.state.queues['default']!.waiting[0]!.id)
    const box = page.getByRole('textbox')
    await talk(async (text) => { await box.fill(text); await box.press('Enter') }, (text) => page.getByText(text).waitFor(), id)
    const look = await page.evaluate(() => document.documentElement.dataset['theme'])
    await page.getByRole('button', { name: '深色/浅色' }).click()
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).not.toBe(look)
    await ann.end(id, { force: true })
    p.calm()
    await p.close()
  })

  if (own) it(`works at the desk: ${way}`, async () => {
    const p = await open()
    const { page } = p
    const id = `bea-${++n}`
    const token = await site.bellhop.token('agent', id, { name: 'Bea', queues: [id] })
    await page.goto(`${site.bellhop.url}/desk`)
    expect(await denied(page)).toBe(true)
    await page.locator('input').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Bea').first().waitFor()
    const uma = await site.user(`uma-${n}`)
    const { id: session } = await uma.open({ queue: id, subject: 'A kettle' })
    await page.getByText('A kettle').first().waitFor()
    await page.getByRole('button', { name: 'Grab' }).first().click()
    const box = page.getByRole('textbox', { name: 'Write, or /' })
    await box.fill('from bea')
    await box.press('Enter')
    await eventually(() => uma.state.sessions[session]?.unread, 1)
    await uma.send(session, 'from uma')
    await page.getByText('from uma').first().waitFor()
    const sound = page.getByRole('button', { name: 'Sound' })
    const pressed = await sound.getAttribute('aria-pressed')
    await sound.click()
    expect(await sound.getAttribute('aria-pressed')).not.toBe(pressed)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    uma.close()
    p.calm()
    await p.close()
  })

  it(`chats in the widget: ${way}`, async () => {
    const p = await open()
    const { page } = p
    site.visitor = `vera-${++n}`
    await page.goto(site.url.replace('127.0.0.1', 'localhost'))
    await bubble(page).waitFor()
    if (own) expect(await denied(page)).toBe(true)
    const id = await site.chat(page)
    expect(await denied(page.frames().find((f) => f.url().startsWith(site.bellhop.url))!)).toBe(true)
    const box = frame(page).getByRole('textbox')
    await talk(async (text) => { await box.fill(text); await box.press('Enter') }, (text) => frame(page).getByText(text).waitFor(), id)
    await bubble(page).click()
    await ann.send(id, 'another')
    await eventually(() => badge(page).textContent(), '1')
    await ann.end(id, { force: true })
    p.calm()
    await p.close()
  })
}

it('is remembered where it may be: language, sound, and who signed in, over a reload', async () => {
  const p = await Person.open(browser)
  await p.page.goto(await at(site.bellhop, 'desk', 'agent', `cy-${++n}`, { name: 'Cy' }))
  const sound = p.page.getByRole('button', { name: 'Sound' })
  await sound.click()
  await p.page.goto(`${site.bellhop.url}/desk`)
  await p.page.reload()
  expect(await sound.getAttribute('aria-pressed')).toBe('false')
  expect(await p.page.evaluate(() => Object.keys(localStorage))).toContain('bellhop:sound')
  p.calm()
  await p.close()
})
