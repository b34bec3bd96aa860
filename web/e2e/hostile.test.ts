import type { Page, Route } from 'playwright-core'
import { expect, it } from 'vitest'
import { Client, type BellhopError, type Session } from 'bellhop-client'
import type { Command, FakeSocket } from '../../clients/js/test/fake.js'
import { Any, Hostile, random, urls } from './hostile.js'
import { at, Person, scroll, type View } from './browser.js'
import { browser, name, server, until, useWorld } from './world.js'

useWorld()

type Answers = Record<string, unknown>

/** A page whose WebSocket, and whose answers of the HTTP API, are the test's. Whatever it asks another host for is refused, and noted. */
async function open(fake: Hostile, page: 'chat' | 'desk', role: string, answers: Answers = {}, view: View = {}, before?: (p: Page) => Promise<void>) {
  const p = await Person.open(browser, view)
  const asked: string[] = []
  await before?.(p.page)
  await p.page.routeWebSocket(/\/websocket/, (ws) => {
    const s: FakeSocket = { say: (o) => ws.send(JSON.stringify(o)), end: (code) => { fake.gone(s); void ws.close({ code }) } }
    ws.onMessage((line) => fake.take(s, JSON.parse(String(line)) as Command))
    ws.onClose(() => fake.gone(s))
    fake.greet(s)
  })
  const answer = (r: Route) => {
    const path = new URL(r.request().url()).pathname.replace('/api/v1', '')
    const found = Object.keys(answers).find((k) => path === k || (k.endsWith('/') && path.startsWith(k)))
    return r.fulfill(found ? { json: answers[found] } : { status: 404, json: { code: 'not_found' } })
  }
  await p.page.route('**/api/v1/**', answer)
  await p.context.route((u) => u.origin !== server.url && u.protocol.startsWith('http'), (r) => { asked.push(r.request().url()); return r.abort() })
  await p.page.goto(await at(server, page, role, name('who'), {}))
  return { p, page: p.page, asked }
}

/** Nothing was thrown that nobody caught; what could not be shown may be told. */
const unharmed = (p: Person) => expect(p.complaints.filter((c) => !/^Bellhop: cannot show|^bellhop: skipped/.test(c))).toEqual([])

/** No link and nothing that is loaded is of another kind than it may be. */
async function safe(page: Page) {
  const wrong = await page.evaluate(() => [
    ...[...document.querySelectorAll<HTMLAnchorElement>('a[href]')].filter((a) => !/^(https?|mailto):$/.test(a.protocol) || a.username || (a.target === '_blank' && a.origin !== location.origin && !/noopener/.test(a.rel) && !/noreferrer/.test(a.rel))).map((a) => a.outerHTML),
    ...[...document.querySelectorAll<HTMLImageElement>('img, audio, video, iframe, source, embed, object')].filter((e) => e.src && !/^(https:|blob:)/.test(e.src) && new URL(e.src).origin !== location.origin && !e.src.startsWith('data:image/svg+xml')).map((e) => e.outerHTML),
    ...[...document.querySelectorAll('.bh-row script, .bh-row iframe, .bh-row style, .desk-card script')].map((e) => e.outerHTML),
    ...(document.documentElement.scrollWidth > innerWidth ? [`wider than the page: ${document.documentElement.scrollWidth}`] : []),
    ...('polluted' in {} ? ['the prototype of all objects'] : []),
    ...(document.title === 'owned' ? ['a script ran'] : []),
  ])
  expect(wrong).toEqual([])
}

/** Which of `wanted` are not seen by who scrolls from the last to the first and back: what came in above may have moved the view by more than a page. */
async function unseen(page: Page, wanted: string[]) {
  const missing = new Set(wanted)
  let steps = 0
  const look = async (dy: number) => {
    const ends = await scroll(page, dy)
    for (const s of ends.texts) missing.delete(s)
    if (steps++ % 20 === 0) await safe(page)
    return ends
  }
  await page.locator('.bh-scroll').hover()
  for (let i = 0; i < 3000 && (!(await look(-500)).top || missing.has(wanted[0]!)); i++);
  for (let i = 0; i < 3000 && !(await look(500)).bottom; i++);
  return [...missing]
}

async function writes(page: Page, fake: Hostile, text: string) {
  await page.getByRole('textbox').last().fill(text)
  await page.getByRole('textbox').last().press('Enter')
  await until(() => fake.log.some((l) => l.body === text), text)
  await page.locator('.bh-text', { hasText: text }).waitFor()
}

for (const [seed, phone, from] of [[1, false, 0], [2, true, 190]] as const) {
  it(`shows every other message, whatever the archive holds: chat, ${seed}`, async () => {
    const fake = new Hostile(new Any(random(seed)), 300, from)
    const { p, page, asked } = await open(fake, 'chat', 'user', { '/sessions/': { session: fake.state() } }, { phone })
    for (const round of ['first', 'after a reload']) {
      await page.getByText(fake.good.at(-1)!, { exact: true }).waitFor()
      await writes(page, fake, `written ${round}`)
      expect(await unseen(page, fake.good), round).toEqual([])
      if (round === 'first') await page.reload()
    }
    unharmed(p)
    expect(asked.filter((u) => !u.startsWith('https:'))).toEqual([])
    await p.close()
  }, 240_000)
}

const order = (n: number, more: Partial<Session>): Session => ({ ...new Hostile(new Any(random(n)), 0).state(), id: `00-good${n}`, user: { id: `user ${n}`, name: `good user ${n}` }, subject: `good subject ${n}`, created: '2026-01-01T00:00:00.000Z', ...more })

/** Good sessions, spoilt ones among them. */
const sessions = (any: Any, n: number, more: Partial<Session>) => Array.from({ length: n }, (_, i) => (i % 3 ? any.spoilt({ ...order(i, more), id: `00-spoilt${i}`, labels: ['a'], rating: { score: 5, comment: '', at: '' } }, any.next() < 0.1 ? [] : ['id']) : order(i, more)))
const goods = (n: number) => Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 === 0)

for (const seed of [3, 4]) {
  it(`shows every other session, message and offer: desk, ${seed}`, async () => {
    const any = new Any(random(seed))
    const fake = new Hostile(any, 150, seed * 60)
    fake.me = { id: 'ann', name: 'Ann', role: 'agent', queues: ['q'], capacity: 10 }
    const state = fake.state.bind(fake)
    const meta = JSON.parse(`{"__proto__":{"polluted":1},"url":"javascript:alert(1)","long":"${'w'.repeat(3000)}","deep":${'['.repeat(900)}${']'.repeat(900)},"good":"good meta"}`) as object
    fake.state = (more = {}) => ({ ...state(), meta, user: { id: '\ud800uma', name: 'with the log', avatar: '//evil.example/x.png' }, ...more }) as Session
    const greet = fake.greet.bind(fake)
    const own = sessions(any, 30, { agent: { id: 'ann', name: 'Ann' } })
    fake.greet = (s) => greet({ ...s, say: (o) => s.say('event' in o && o.event === 'hello' ? { ...o, sessions: [fake.state(), ...own], offers: sessions(any, 6, { state: 'transferring' }) } : o), end: s.end })
    const waiting = sessions(any, 30, { state: 'waiting', agent: null })
    fake.queues = [{ queue: 'q', size: waiting.length, oldest: null, waiting }, any.spoilt({ queue: 'constructor', size: 1, oldest: null, waiting: [] }, ['queue', 'waiting'])]
    const answers = { '/agents/': any.value(), '/sessions/': { session: fake.state() }, '/users/': { blocked: any.value(), reason: any.value(), sessions: sessions(any, 9, { state: 'ended' }) }, '/canned': { canned: [any.value(), { id: 'c', shortcut: 'hi', title: 'good canned', text: 'Hello' }, any.spoilt({ id: 'd', shortcut: 'x', title: 'y', text: 'z' }, [], 1)] } }
    const { p, page } = await open(fake, 'desk', 'agent', answers)
    for (const round of ['first', 'after a reload']) {
      await page.locator('.desk-order').first().waitFor()
      await page.getByRole('region', { name: 'A chat for you' }).getByText('good user 0').waitFor()
      const seen = new Set<string>()
      await page.locator('.desk-order').first().hover()
      for (let i = 0; i < 80; i++) {
        for (const s of await page.locator('.desk-order p').allTextContents()) seen.add(s)
        await page.mouse.wheel(0, 200)
      }
      expect(goods(30).filter((n) => !seen.has(`good subject ${n}`)), round).toEqual([])
      await safe(page)
      await page.getByRole('button', { name: 'Chats' }).click()
      const lines = await page.locator('.desk-line b').allTextContents()
      expect(goods(30).filter((n) => !lines.includes(`good user ${n}`)), round).toEqual([])
      await page.locator('.desk-line', { hasText: 'with the log' }).click()
      await page.getByText('good meta').waitFor()
      await page.locator('.desk-card').getByText('good subject 3').waitFor()
      await page.locator('.bh-text').getByText(fake.good.at(-1)!, { exact: true }).waitFor()
      await writes(page, fake, `written ${round}`)
      expect(await unseen(page, fake.good), round).toEqual([])
      for (const e of ['session', 'typing', 'queue', 'presence', 'offer', 'read', 'unread', 'position', 'message', 'recalled'] as const) {
        for (let i = 0; i < 20; i++) fake.tell(any.spoilt({ event: e, session: e === 'session' || e === 'offer' ? order(99, {}) : '00-s', by: 'uma', text: 'x', queue: 'q', size: 3, added: order(98, { state: 'waiting' }), agent: 'bob', status: 'online', load: 1, capacity: 2, seq: 1, from: 'bob', note: '', expires: null, position: 1, wait: 1, unread: 1 }, ['event']))
      }
      await page.getByRole('textbox').last().fill('/')
      await page.getByText('good canned').waitFor()
      await page.getByRole('textbox').last().fill('')
      await writes(page, fake, `still written ${round}`)
      await safe(page)
      if (round === 'first') await page.reload()
    }
    unharmed(p)
    await p.close()
  }, 240_000)
}

for (const seed of [5, 6]) {
  it(`shows every other row: supervisor, ${seed}`, async () => {
    const any = new Any(random(seed))
    const fake = new Hostile(any, 30)
    fake.me = { id: 'sue', name: 'Sue', role: 'supervisor', queues: ['q'], capacity: 10 }
    fake.queues = [{ queue: 'q', size: 3, oldest: null, waiting: sessions(any, 9, { state: 'waiting', agent: null }) }]
    const some = (of: (n: number) => object, kept: string[]) => Array.from({ length: 12 }, (_, i) => (i % 3 ? any.spoilt(of(i), kept) : of(i)))
    const times = { count: 1, mean: 1, median: 1, p95: 1 }
    const counts = { opened: 1, grabbed: 1, ended: 1, abandoned: 0, transferred: 0, waitingTime: times, firstResponse: times, handling: times, ratings: { count: 1, mean: 5 } }
    const agents = some((n) => ({ id: `agent ${n}`, name: `good agent ${n}`, avatar: '', queues: ['q'], capacity: 9, disabled: false, status: 'online', load: 1 }), ['id'])
    const answers = {
      '/stats': { waiting: any.value(), serving: any.value(), totals: counts, buckets: some((n) => ({ start: `2026-01-01T0${n % 9}:00:00.000Z`, ...counts }), []), queues: some((n) => ({ queue: `good queue ${n}`, waiting: 1, serving: 1, ...counts }), ['queue']), agents: some((n) => ({ agent: `agent ${n}`, name: `good agent ${n}`, status: 'online', serving: 1, ...counts }), ['agent']) },
      '/agents': { agents: [...agents, null, 7, 'x', []] }, '/agents/': any.value(),
      '/queues': { queues: [...some((n) => ({ id: `good queue ${n}`, name: `q ${n}`, routing: 'grab', hours: null, greeting: '', offline: '', bot: '', priority: 0, idleTimeout: 1, patience: 1 }), ['id']), null, 7] },
      '/sessions': { sessions: [...sessions(any, 30, { state: 'ended' }), null, 7, 'x'], cursor: '' }, '/sessions/': { session: fake.state() },
      '/search': { messages: [...Array.from({ length: 12 }, (_, i) => { const m = { ...fake.message(3), seq: i + 1, mid: `f${i}`, from: { id: 'f', role: 'user', name: `good author ${i}` }, snippet: [{ text: 'found ' }, { text: 'it', hit: true }] }; return i % 3 ? any.spoilt(m, ['seq', 'mid']) : m }), null, 7], cursor: '' },
      '/users/': { sessions: any.value(), blocked: true },
    }
    const { p, page } = await open(fake, 'desk', 'supervisor', answers)
    const view = async (v: string, check: () => Promise<void>) => {
      await page.getByRole('navigation').getByRole('button', { name: v }).click()
      await check()
      await safe(page)
    }
    for (const round of ['first', 'after a reload']) {
      await page.locator('.desk-order').first().waitFor()
      // Beside what is spoilt.
      const has = async (what: string) => { for (const n of goods(12)) await page.getByText(`${what} ${n}`, { exact: true }).first().waitFor({ state: 'attached' }) }
      await view('Live', () => has('good agent'))
      await view('Figures', async () => { await has('good agent'); await has('q') })
      await view('Sessions', async () => { for (const n of goods(30)) await page.getByText(`good user ${n}`, { exact: true }).waitFor() })
      await view('Search', async () => {
        await page.getByPlaceholder(/search/i).first().fill('it')
        await page.getByPlaceholder(/search/i).first().press('Enter')
        await has('good author')
      })
      await view('Settings', async () => { await has('good queue') })
      await view('Sessions', async () => {
        await page.getByText('good user 3', { exact: true }).click()
        await page.locator('.desk-chat').waitFor()
      })
      if (round === 'first') await page.reload()
    }
    unharmed(p)
    await p.close()
  }, 240_000)
}

/** Makes what the pages call throw for one name: a fault that nobody thought of. */
const fault = async (page: Page) => void (await page.addInitScript(() => {
  const spoil = (o: object, k: string) => {
    const all = o as Record<string, (...a: unknown[]) => unknown>
    const f = all[k]!
    all[k] = function (this: unknown, ...a: unknown[]) {
      if ((typeof this === 'string' || this instanceof String ? String(this) : '').includes('unshowable')) throw new Error('a fault')
      return f.apply(this, a)
    }
  }
  spoil(String.prototype, 'trim')
  spoil(String.prototype, 'replace')
}))

for (const [lang, phone, line] of [['en-GB', true, 'This cannot be shown.'], ['zh-CN', false, '无法显示此内容。']] as const) {
  it(`says in one line what cannot be shown, and goes on: ${lang}`, async () => {
    const fake = new Hostile(new Any(random(7)), 0)
    for (const text of ['hello', 'unshowable', 'good 1', 'unshowable, too', 'good 2']) fake.append(text)
    const { p, page } = await open(fake, 'chat', 'user', { '/sessions/': { session: fake.state() } }, { phone, lang }, fault)
    await page.getByText('good 2').waitFor()
    await page.getByText(line).nth(1).waitFor()
    expect(await page.locator('.bh-text').allTextContents()).toEqual(['hello', 'good 1', 'good 2'])
    await writes(page, fake, 'still here')
    await p.shot(`broken-chat-${phone ? 'phone' : 'desktop'}`)
    expect(p.complaints.map((c) => /^Bellhop: cannot show message \d+/.exec(c)?.[0])).toEqual(['Bellhop: cannot show message 2', 'Bellhop: cannot show message 4'])
    await p.close()

    const agent = new Hostile(new Any(random(8)), 0)
    agent.append('hello')
    agent.me = { id: 'ann', name: 'Ann', role: 'agent', queues: ['q'], capacity: 10 }
    const created = new Date().toISOString()
    const all = (more: Partial<Session>) => [order(1, { created, ...more }), { ...order(2, { created, ...more }), user: { id: 'x', name: 'unshowable' } }, order(3, { created, ...more })]
    const greet = agent.greet.bind(agent)
    agent.greet = (s) => greet({ ...s, say: (o) => s.say('event' in o && o.event === 'hello' ? { ...o, sessions: [agent.state({ user: { id: 'uma', name: 'Uma' } }), ...all({ agent: { id: 'ann', name: 'Ann' } })] } : o), end: s.end })
    agent.queues = [{ queue: 'q', size: 3, oldest: null, waiting: all({ state: 'waiting', agent: null }) }]
    const desk = await open(agent, 'desk', 'agent', { '/sessions/': { session: agent.state() } }, { phone, lang }, fault)
    await desk.page.getByText(line).waitFor()
    expect(await desk.page.locator('.desk-order b').allTextContents()).toEqual(['good user 1', 'good user 3'])
    await desk.p.shot(`broken-hall-${phone ? 'phone' : 'desktop'}`)
    await desk.page.getByRole('navigation').getByRole('button').nth(1).click()
    await desk.page.getByText(line).waitFor()
    expect((await desk.page.locator('.desk-line b').allTextContents()).toSorted()).toEqual(['Uma', 'good user 1', 'good user 3'])
    await desk.p.shot(`broken-sessions-${phone ? 'phone' : 'desktop'}`)
    unharmed(desk.p)
    await desk.p.close()
  })
}

it('takes for an address what the server takes for one', async () => {
  const any = new Any(random(9))
  const uma = new Client({ url: server.url, token: await server.token('user', name('uma')) }).start()
  await until(() => uma.state.resumed, 'the user')
  const { id } = await uma.open({ queue: name('q') })
  const labels = ['a', 'example', 'xn--fiqs8s', 'xn--', 'xn--a', 'xn--mgbh0fb', 'xn--0zwm56d', '1', '0x1', '256', '127.0.0.1', '[::1]', '[', ']', 'é', '%41', 'a b', '_', '-', '', '\u202e', 'a-', '1a', '09', 'ß', '中国', '[::ffff:1.2.3.4]', '[1::%25a]']
  const made = () => any.of(['http://', 'https://', 'http://', 'https://', 'http://', 'https://', 'HTTP://', 'http:/', '//', '/', '\\\\', 'http:///']) + any.of(['', '', '', '', '', '', 'u@', 'u:p@']) + Array.from({ length: 1 + Math.floor(any.next() * 3) }, () => any.of(any.next() < 0.8 ? labels.slice(0, 11) : labels)).join(any.of(['.', '.', '.', '.', '.', '.', '', '\u3002', '..'])) + any.of(['', '', ':80', ':65535', ':65536', ':', ':x', ':0080']) + any.of(['', '/', '/a', '/%zz', '/文', '\\x', '/a b', '/\t', '?x', '#x', '/%00', '/..//.'])
  const tried = [...urls.accepted, ...urls.refused, ...Array.from({ length: 3000 }, made)]
  const accepted: string[] = []
  const refusals = new Set<string>()
  await Promise.all(tried.map((url) => uma.send(id, { url }, { type: 'file' }).then(() => accepted.push(url), (e: BellhopError) => refusals.add(e.code))))
  expect([...refusals]).toEqual(['bad_request'])
  expect(urls.accepted.filter((u) => !accepted.includes(u))).toEqual([])
  expect(urls.refused.filter((u) => accepted.includes(u))).toEqual([])
  expect(accepted.length).toBeGreaterThan(urls.accepted.length + 100)
  const p = await Person.open(browser)
  const wrong = await p.page.evaluate((all) => all.filter((s) => {
    try {
      const u = new URL(s)
      return !/^https?:$/.test(u.protocol) || !u.host || u.username || u.password
    } catch {
      return true
    }
  }), accepted)
  console.info(`${tried.length} addresses tried, ${accepted.length} accepted`)
  expect(wrong).toEqual([])
  uma.close()
  await p.close()
})
