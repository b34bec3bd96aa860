import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { Fake, type Command, type FakeSocket } from '../../clients/js/test/fake.js'
import { at, Person, scroll, type View } from './browser.js'
import { browser, name, server, until, useWorld } from './world.js'

useWorld()

/** A page whose server falls back when the test asks it to: the pages are the real one's, the WebSocket and sessions are not. */
async function open(fake: Fake, page: 'chat' | 'desk', status = 'away', view: View = {}) {
  const p = await Person.open(browser, view)
  await p.page.routeWebSocket(/\/websocket/, (ws) => {
    const s: FakeSocket = { say: (o) => ws.send(JSON.stringify(o)), end: (code) => { fake.gone(s); void ws.close({ code }) } }
    ws.onMessage((line) => fake.take(s, JSON.parse(String(line)) as Command))
    ws.onClose(() => fake.gone(s))
    fake.greet(s)
  })
  await p.page.route('**/api/v1/sessions/*', (r) => r.fulfill({ json: { session: fake.state() } }))
  await p.page.route('**/api/v1/agents/*', (r) => r.fulfill({ json: { id: 'ann', name: 'Ann', status, load: 3, capacity: 10, queues: ['q'] } }))
  await p.page.goto(await at(server, page, page === 'chat' ? 'user' : 'agent', name('who'), {}))
  return p
}

const shown = (page: Page) => page.locator('.bh-text').allTextContents()

/** Every text from the last to the first and back, by scrolling; none is there twice. */
async function scrolled(page: Page, first: string) {
  const texts = new Set<string>()
  const look = async (dy: number) => {
    const ends = await scroll(page, dy)
    expect(new Set(ends.texts).size).toBe(ends.texts.length)
    for (const s of ends.texts) texts.add(s)
    return ends
  }
  await page.locator('.bh-scroll').hover()
  for (let i = 0; i < 400 && (!(await look(-300)).top || !texts.has(first)); i++);
  for (let i = 0; i < 400 && !(await look(300)).bottom; i++);
  return [...texts].sort()
}

const filled = (n: number) => {
  const fake = new Fake()
  fake.page = 50
  for (let i = 1; i <= n; i++) fake.append(`text ${i}`)
  return fake
}
const inLog = (fake: Fake) => fake.log.map((l) => l.body).sort()

it('shows exactly the log after a reset', async () => {
  const fake = filled(120)
  const p = await open(fake, 'chat')
  await p.page.getByText('text 120', { exact: true }).waitFor()
  await p.page.getByRole('textbox').fill('mine')
  await p.page.getByRole('textbox').press('Enter')
  await until(() => fake.log.length === 121, 'the message')
  fake.fallBack(100)
  fake.reset()
  fake.post('after it 1', 'after it 2')
  await p.page.getByText('after it 2').waitFor()
  await p.page.getByText('text 120', { exact: true }).waitFor({ state: 'detached' })
  expect(await scrolled(p.page, 'text 1')).toEqual(inLog(fake))
  p.calm()
  await p.close()
})

it('shows exactly the log after the server fell back behind it while there was no connection', async () => {
  const fake = filled(60)
  const p = await open(fake, 'chat')
  await p.page.getByText('text 60', { exact: true }).waitFor()
  fake.cut(4008)
  fake.fallBack(40)
  fake.append('after it')
  await p.page.getByText('after it').waitFor()
  await p.page.getByText('text 60', { exact: true }).waitFor({ state: 'detached' })
  expect(await scrolled(p.page, 'text 1')).toEqual(inLog(fake))
  p.calm()
  await p.close()
})

it('shows the state that the server says last, an earlier one too', async () => {
  const fake = filled(3)
  fake.rev = 5
  const p = await open(fake, 'chat')
  await p.page.getByText('text 3', { exact: true }).waitFor()
  fake.rev = 2
  fake.tell({ event: 'session', session: fake.state({ state: 'waiting', agent: null }) })
  await p.page.getByText('Somebody will be here in a moment').waitFor()
  p.calm()
  await p.close()
})

it('reads on where short pages do not fill the view', async () => {
  const fake = filled(40)
  fake.page = 2
  const p = await open(fake, 'chat')
  await until(async () => (await shown(p.page)).length > 6, 'more than three pages')
  expect(await scrolled(p.page, 'text 1')).toEqual(inLog(fake))
  p.calm()
  await p.close()
})

it('shows the status that the server says, and sets none', async () => {
  const fake = filled(1)
  fake.me = { id: 'ann', name: 'Ann', role: 'agent', queues: ['q'], capacity: 10 }
  const p = await open(fake, 'desk')
  const status = p.page.locator('.desk-me')
  await status.getByText('Away').waitFor()
  await status.getByText('3 of 10').waitFor()
  fake.tell({ event: 'presence', agent: 'ann', status: 'offline', load: 2, capacity: 10 })
  await status.getByText('Offline').waitFor()
  fake.cut(4008)
  await status.getByText('Away').waitFor()
  await p.page.reload()
  await status.getByText('Away').waitFor()
  expect(fake.commands.filter((c) => c.cmd === 'status')).toEqual([])
  p.calm()
  await p.close()
})

it('lists a queue to its end, and says how many are behind a very long one', async () => {
  const fake = filled(1)
  fake.me = { id: 'ann', name: 'Ann', role: 'agent', queues: ['q'], capacity: 10 }
  const waiting = Array.from({ length: 7 }, (_, i) => fake.state({ id: `00-w${i}`, state: 'waiting', agent: null, subject: `order ${i}`, created: `2026-01-01T00:0${i}:00.000Z` }))
  fake.queues = [{ queue: 'q', size: 7, oldest: null, waiting: waiting.slice(0, 2) }]
  fake.listed = [waiting.slice(5).reverse(), waiting.slice(2, 5).reverse()]
  const p = await open(fake, 'desk')
  await until(async () => (await p.page.getByRole('row').count()) === 7, 'all seven')
  expect(await p.page.getByRole('row').locator('p').allTextContents()).toEqual(waiting.map((s) => s.subject))
  fake.tell({ event: 'queue', queue: 'q', size: 5000, reset: waiting.slice(0, 3) })
  await p.page.getByText('4993 more wait behind these').waitFor()
  p.calm()
  await p.close()
})
