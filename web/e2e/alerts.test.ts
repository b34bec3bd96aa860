import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at, launch, Person } from './browser.js'
import { agent, client, name, server, until, useWorld } from './world.js'

useWorld()

interface Heard {
  tones: { start: number; state: string; clicked: boolean }[]
  notes: string[]
}

/** Hears each tone and notification of a page; `breaks` has the browser refuse to make notifications, as on Android. */
async function listen(page: Page, breaks = false) {
  await page.addInitScript((breaks) => {
    const heard: Heard = { tones: [], notes: [] }
    Object.assign(window, { heard })
    const { start } = OscillatorNode.prototype as { start: (this: OscillatorNode, when?: number) => void }
    OscillatorNode.prototype.start = function (when) {
      heard.tones.push({ start: performance.now(), state: (this.context as AudioContext).state, clicked: navigator.userActivation.hasBeenActive })
      return start.call(this, when)
    }
    class Note {
      static permission = 'granted'
      onclick = null
      constructor(title: string) {
        if (breaks) throw new TypeError("Failed to construct 'Notification': Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.")
        heard.notes.push(title)
      }
      close() {}
    }
    Object.assign(window, { Notification: Note })
  }, breaks)
}

const heard = (page: Page) => page.evaluate(() => (window as unknown as { heard: Heard }).heard)
const hide = (page: Page, hidden: boolean) =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (hidden ? 'hidden' : 'visible') })
  }, hidden)

/** A desk whose browser plays nothing before a click, with a session of the agent's. */
async function desk(breaks = false) {
  const browser = await launch({ autoplay: false })
  const queue = name('q')
  const ann = await agent(queue, 'Ann')
  const uma = await client('Uma')
  const { id } = await uma.open({ queue })
  await ann.grab(id)
  await uma.load(id)
  const p = await Person.open(browser)
  await listen(p.page, breaks)
  const address = await at(server, 'desk', 'agent', ann.state.me!.id, { name: 'Ann', queues: [queue] })
  await p.page.goto(address)
  await p.page.getByText('Nobody waits.').waitFor()
  const say = async (n: number) => {
    const count = uma.state.logs[id]?.messages.length ?? 0
    for (let i = 0; i < n; i++) void uma.send(id, `message ${i}`)
    await until(() => (uma.state.logs[id]?.messages.length ?? 0) >= count + n && uma.state.logs[id]!.pending.length === 0, 'the messages')
  }
  return { browser, p, page: p.page, address, uma, id, say, queue }
}

it('keeps no tones for later, and plays one at a time', async () => {
  const { browser, p, page, say } = await desk()
  await say(40)
  await page.getByTitle('40 unread').waitFor({ timeout: 5000 }).catch(() => {}) // the badge, where it has room
  await until(async () => (await page.title()).startsWith('(40)'), 'the forty')
  expect((await heard(page)).tones).toEqual([])
  await page.getByRole('heading', { name: /Hall/ }).click()
  await page.waitForTimeout(1000)
  expect((await heard(page)).tones.length).toBeLessThanOrEqual(1)

  const before = (await heard(page)).tones.length
  await say(40)
  await until(async () => (await page.title()).startsWith('(80)'), 'forty more')
  await page.waitForTimeout(600)
  const { tones } = await heard(page)
  expect(tones.length).toBeGreaterThan(before)
  for (const [i, one] of tones.entries()) {
    expect(one).toMatchObject({ state: 'running', clicked: true })
    if (i) expect(one.start - tones[i - 1]!.start).toBeGreaterThan(240)
  }
  p.calm()
  await browser.close()
})

it('is heard from one of several tabs, and not while one looks at it', async () => {
  const { browser, p, page, address, say } = await desk()
  const others = [await p.tab(), await p.tab()]
  for (const tab of others) {
    await listen(tab)
    await tab.goto(address)
    await tab.getByText('Nobody waits.').waitFor()
    await hide(tab, true)
  }
  const all = [page, ...others]
  for (const tab of all) await tab.getByRole('heading', { name: /Hall/ }).click()
  await say(1)
  await until(async () => (await Promise.all(all.map(heard))).some((h) => h.tones.length > 0), 'a tone')
  await page.waitForTimeout(1000)
  let told = await Promise.all(all.map(heard))
  expect(told.map((h) => h.tones.length)).toEqual([1, 0, 0])
  expect(told.flatMap((h) => h.notes)).toEqual([])

  // All are hidden: one tone, one notification.
  await hide(page, true)
  await say(1)
  await page.waitForTimeout(1500)
  told = await Promise.all(all.map(heard))
  expect(told.reduce((n, h) => n + h.tones.length, 0)).toBe(2)
  expect(told.flatMap((h) => h.notes)).toEqual(['Uma'])

  // One is looked at, with the chat open.
  await hide(page, false)
  await page.getByRole('button', { name: /Chats$/ }).click()
  await page.getByRole('button', { name: /Uma/ }).click()
  await page.locator('.bh-text').first().waitFor()
  await say(1)
  await page.waitForTimeout(1500)
  told = await Promise.all(all.map(heard))
  expect(told.reduce((n, h) => n + h.tones.length, 0)).toBe(2)
  p.calm()
  await browser.close()
})

it('goes on where the browser makes no notifications', async () => {
  const { browser, p, page, say } = await desk(true)
  await page.getByRole('button', { name: /Chats$/ }).click()
  await hide(page, true)
  await say(60)
  await until(async () => (await page.title()).startsWith('(60)'), 'the sixty')
  await hide(page, false)
  await page.getByRole('button', { name: /Uma/ }).click()
  await page.getByText('message 59').last().waitFor()
  p.calm()
  await browser.close()
})
