import type { Page } from 'playwright-core'
import { beforeEach, expect, it } from 'vitest'
import { Client } from 'bellhop-client'
import { launch, Person } from './browser.js'
import { ann, badge, browser, bubble, eventually, frame, site, useSite } from './site.js'

useSite()

beforeEach(() => {
  site.page = (path) => `<!doctype html><html lang="en"><head><title>${path}</title>${path === '/plain' ? '' : site.tag()}</head><body><h1>${path}</h1></body></html>`
})

/** More tabs than a participant may have connections. */
const many = 23

/** A visitor who has chatted here, and closed the chat. */
async function visitor(script?: () => void, at = browser) {
  const p = await Person.open(at)
  if (script) await p.context.addInitScript(script)
  await p.page.goto(site.url)
  const session = await site.chat(p.page)
  await bubble(p.page).click()
  return { p, session }
}

/** Tabs of the shop. */
async function tabs(p: Person, count: number) {
  const all: Page[] = []
  for (let i = 0; i < count; i++) {
    const page = await p.tab()
    await page.goto(`${site.url}/${i}`)
    await bubble(page).waitFor()
    all.push(page)
  }
  return all
}

const without: Record<string, () => void> = {
  'no locks, as on a site without https': () => void Object.defineProperty(navigator, 'locks', { value: undefined }),
  'no channels': () => void Object.defineProperty(window, 'BroadcastChannel', { value: undefined }),
  'channels that throw': () => void Object.defineProperty(window, 'BroadcastChannel', { value: class { constructor() { throw new DOMException('denied', 'SecurityError') } } }),
  'locks that are denied': () => {
    LockManager.prototype.request = () => Promise.reject(new DOMException('denied', 'SecurityError'))
  },
  'neither, and no storage': () => {
    for (const name of ['BroadcastChannel', 'localStorage']) Object.defineProperty(window, name, { value: undefined })
    Object.defineProperty(navigator, 'locks', { value: undefined })
  },
}

it(`has one connection for ${many} tabs, whose badges are all right, and none beside the chat`, async () => {
  const { p, session } = await visitor()
  const all = [p.page, ...(await tabs(p, many))]
  const before = 1 // Ann's
  await eventually(() => site.connections(), before + 1)
  const asked = site.tokens
  await ann.send(session, 'one')
  for (const page of all) await eventually(() => badge(page).textContent(), '1')

  // The chat opens in one of them, and takes the place of the badge's connection.
  await bubble(all[7]!).click()
  await frame(all[7]!).getByText('one').waitFor()
  await eventually(() => site.connections(), before + 1)
  for (const page of all) await eventually(() => badge(page).isHidden(), true)
  await frame(all[7]!).getByRole('textbox').fill('from the chat')
  await frame(all[7]!).getByRole('textbox').press('Enter')
  await eventually(() => ann.state.sessions[session]?.unread, 1)

  // Whichever tab goes, another one takes over.
  await bubble(all[7]!).click()
  await eventually(() => site.connections(), before + 1)
  for (const gone of all.splice(0, 9)) await gone.close()
  await eventually(() => site.connections(), before + 1)
  await ann.send(session, 'two')
  for (const page of all) await eventually(() => badge(page).textContent(), '1')
  expect(site.tokens - asked).toBeLessThan(15) // only who leads asks for one
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
  await eventually(() => site.connections(), before)
})

it('lets chats be open in many tabs: with the last of them closed, one connection is left', async () => {
  const { p, session } = await visitor()
  const all = [p.page, ...(await tabs(p, 3))]
  for (const page of all) {
    await bubble(page).click()
    await frame(page).getByRole('textbox').waitFor()
  }
  await eventually(() => site.connections(), 1 + all.length)
  for (const page of all) await bubble(page).click()
  await eventually(() => site.connections(), 2)
  await ann.send(session, 'one')
  for (const page of all) await eventually(() => badge(page).textContent(), '1')
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
})

for (const [what, script] of Object.entries(without)) {
  it(`costs the chat no place, with ${many} tabs and ${what}`, async () => {
    const { p, session } = await visitor(script)
    site.page = (path) => `<!doctype html><html lang="en"><head><title>${path}</title>${site.tag('data-eager')}</head><body></body></html>`
    const all = [p.page, ...(await tabs(p, many))]
    await eventually(() => site.connections(), 2)
    await bubble(all[9]!).click()
    await frame(all[9]!).getByRole('textbox').waitFor()
    expect(await frame(all[9]!).getByText(/No connection/).count()).toBe(0)
    await ann.send(session, 'in the chat')
    await frame(all[9]!).getByText('in the chat').waitFor()
    expect(await site.connections()).toBeLessThanOrEqual(3)
    await bubble(all[9]!).click()
    await ann.send(session, 'to the badge')
    await eventually(() => badge(all[9]!).textContent(), '1')
    await eventually(() => site.connections(), 2)
    await ann.end(session, { force: true })
    p.calm()
    await p.close()
  })
}

/** Puts a tab into the background, or back: without windows, all tabs are in front. */
const show = (page: Page, visible: boolean) =>
  page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, visible ? 'visible' : 'hidden')

it('follows only while it is visible, where there are no locks', async () => {
  const { p, session } = await visitor(without['no locks, as on a site without https'])
  await eventually(() => site.connections(), 2)
  await show(p.page, false)
  await eventually(() => site.connections(), 1)
  await ann.send(session, 'one')
  await show(p.page, true)
  await eventually(() => badge(p.page).textContent(), '1')
  await eventually(() => site.connections(), 2)
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
})

it('leads in place of a tab that holds the lock and is asleep', async () => {
  const { p, session } = await visitor()
  await p.page.goto(`${site.url}/plain`)
  await p.page.evaluate((name) => void navigator.locks.request(name, () => new Promise(() => {})).catch(() => {}), `bellhop ${site.bellhop.url} `)
  await ann.send(session, 'one')
  const [tab] = await tabs(p, 1)
  await eventually(() => badge(tab!).textContent(), '1')
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
})

it('gives up for a while where it is refused, and leaves the next place to the chat', async () => {
  const { p, session } = await visitor()
  await p.page.goto(`${site.url}/plain`)
  const token = await site.bellhop.token('user', site.visitor)
  const others = Array.from({ length: 20 }, () => new Client({ url: site.bellhop.url, token }).start())
  for (const c of others) await eventually(() => c.state.resumed, true)
  let attempts = 0
  p.page.on('websocket', () => attempts++)
  await p.page.goto(site.url)
  await expect.poll(() => attempts, { timeout: 40_000 }).toBe(6)
  await p.page.waitForTimeout(10_000)
  expect(attempts).toBe(6)
  others.pop()!.close()
  await bubble(p.page).click()
  await frame(p.page).getByRole('textbox').waitFor()
  for (const c of others) c.close()
  await ann.end(session, { force: true })
  await p.close()
})

it('is kept for going back to it, without a connection, and follows again', async () => {
  const kept = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] })
  const { p, session } = await visitor(undefined, kept)
  await eventually(() => site.connections(), 2)
  const persisted = (page: Page) => page.evaluate(() => (window as unknown as { back?: boolean }).back)
  await p.page.evaluate(() => {
    addEventListener('pageshow', (e) => Object.assign(window, { back: e.persisted }))
    addEventListener('pagehide', () => Object.assign(window, { back: undefined }))
  })
  await p.page.goto(`${site.url}/plain`)
  await eventually(() => site.connections(), 1)
  await ann.send(session, 'one')
  await p.page.goBack({ waitUntil: 'commit' }) // a page that was kept is not loaded again
  expect(await persisted(p.page)).toBe(true)
  await eventually(() => badge(p.page).textContent(), '1')
  await eventually(() => site.connections(), 2)

  // With the chat open, too: what is kept has no connection, and reads what it missed.
  await bubble(p.page).click()
  await frame(p.page).getByText('one').waitFor()
  await p.page.goto(`${site.url}/plain`)
  await eventually(() => site.connections(), 1)
  const { seq } = await ann.send(session, 'two')
  await p.page.goBack({ waitUntil: 'commit' })
  expect(await persisted(p.page)).toBe(true)
  await eventually(() => ann.state.marks[session]?.[site.visitor], seq) // Playwright loses sight of a kept frame
  await eventually(() => site.connections(), 2)
  await ann.end(session, { force: true })
  p.calm()
  await kept.close()
})
