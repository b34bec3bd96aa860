import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Client, logOf, type Session } from '../src/index.js'
import { Fake, session } from './fake.js'

let fake: Fake
let clients: Client[] = []

beforeEach(() => {
  fake = new Fake()
  vi.spyOn(Math, 'random').mockReturnValue(0) // reconnects after a tenth of a second
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ session: fake.state() }))))
})
afterEach(() => {
  for (const c of clients) c.close()
  clients = []
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const until = (ok: () => boolean) => vi.waitFor(() => expect(ok()).toBe(true), { timeout: 10_000, interval: 5 })

async function connect() {
  const c = new Client({ url: 'http://fake', token: 't', WebSocket: fake.WebSocket }).start()
  clients.push(c)
  await until(() => c.state.resumed)
  return c
}

const held = (c: Client) => logOf(c.state, session).messages.map((m) => `${m.seq} ${m.mid} ${String(m.body)}`)
const log = () => fake.log.map((l, i) => `${i + 1} ${l.mid} ${l.body}`)

/** Reads the older ones, too, and waits until all that is held is the log. */
async function holdsTheLog(c: Client) {
  let why: unknown
  for (let i = 0; i < 2000; i++) {
    if (c.state.resumed && logOf(c.state, session).more) await c.loadOlder(session)
    try {
      expect(held(c)).toEqual(log())
      expect(logOf(c.state, session).pending).toEqual([])
      return
    } catch (e) {
      why = e
    }
    await new Promise((done) => setTimeout(done, 3))
  }
  throw why
}

async function hold(n: number) {
  for (let i = 1; i <= n; i++) fake.append(`t${i}`)
  const c = await connect()
  await c.load(session)
  await holdsTheLog(c)
  return c
}

/** Cuts the connection, and waits until the next one is resumed. */
async function back(c: Client, meanwhile: () => void) {
  fake.cut()
  meanwhile()
  await until(() => !c.state.resumed)
  await until(() => c.state.resumed)
}

const falls: Record<string, () => void> = {
  'behind': () => fake.fallBack(3),
  'to nothing': () => fake.fallBack(0),
  'behind, and wrote': () => (fake.fallBack(3), fake.post('x', 'y')),
  'to the same seq': () => (fake.fallBack(3), fake.post('x', 'y', 'z')),
  'ahead': () => (fake.fallBack(3), fake.post('x', 'y', 'z', 'a', 'b', 'c')),
  'where hello names no mid': () => ((fake.old = true), fake.fallBack(3), fake.post('x')),
}
for (const [name, fall] of Object.entries(falls)) {
  it(`holds the log after it fell back: ${name}`, async () => {
    const c = await hold(6)
    await back(c, fall)
    await holdsTheLog(c)
    fake.post('and on')
    await holdsTheLog(c)
  })
}

it('reads what is before a message that came before it knew that it takes part', async () => {
  fake.me = { id: 'ann', name: 'Ann', role: 'agent' }
  const c = await hold(3)
  fake.append('x')
  fake.append('y')
  fake.post('z')
  await holdsTheLog(c)
  fake.post('and on')
  await holdsTheLog(c)
})

it('asks for nothing where nothing was missed, its own sends included', async () => {
  const c = await hold(2)
  await c.send(session, 'mine')
  const asked = () => fake.commands.filter((x) => x.cmd === 'history').length
  const before = asked()
  await back(c, () => {})
  expect(asked()).toBe(before)
  expect(held(c)).toEqual(log())
})

for (const [name, fall] of Object.entries({ 'another stands there': () => (fake.fallBack(2), fake.post('x', 'y', 'z')), 'nothing does': () => fake.fallBack(2), 'the first of them is kept': () => fake.fallBack(4) })) {
  it(`forgets acknowledged sends that the log lost: ${name}`, async () => {
    const c = await hold(2)
    fake.append('nobody was told')
    await c.send(session, 'mine')
    await c.send(session, 'mine, too')
    await back(c, fall)
    await holdsTheLog(c)
  })
}

it('takes a reset as it comes, twice, with lower seqs after it', async () => {
  const c = await hold(9)
  for (let i = 0; i < 3; i++) {
    fake.fallBack(2)
    fake.reset()
    fake.post('x')
    if (i) fake.reset()
    fake.post('y')
    await c.send(session, `mine ${i}`)
    await holdsTheLog(c)
  }
})

for (const page of [1, 2, 3, 4]) {
  it(`starts again where the log falls back while it is read: page ${page}`, async () => {
    const c = await hold(2)
    await back(c, () => {
      for (let i = 0; i < 7; i++) fake.append('missed')
      let n = 0
      fake.asked = () => {
        if (++n !== page) return
        fake.fallBack(1)
        if (page % 2) fake.reset()
        fake.post('x', 'y', 'z')
      }
    })
    await holdsTheLog(c)
  })
}

it('puts what comes live while it reads after what it read', async () => {
  const c = await hold(1)
  await back(c, () => {
    fake.append('missed')
    let n = 0
    fake.asked = () => void (++n < 5 && fake.post('live'))
  })
  await holdsTheLog(c)
})

for (const code of ['bad_request', 'internal', 'overloaded']) {
  it(`leaves no hole where history is refused, and does not ask in a loop: ${code}`, async () => {
    const c = await hold(1)
    let n = 0
    const began = Date.now()
    await back(c, () => {
      fake.append('missed')
      fake.asked = () => (++n <= 5 ? (fake.post('live'), code) : undefined)
    })
    expect(Date.now() - began).toBeGreaterThan(400)
    await holdsTheLog(c)
  })
}

it('waits where it reads too much, and misses nothing: history, lists, watch, and sessions by HTTP', async () => {
  const other = (id: string, more: Partial<Session> = {}) => fake.state({ id, mid: undefined, ...more })
  fake.queues = [{ queue: 'q', waiting: [], size: 0, oldest: null }]
  const c = await hold(3)
  await c.watch()
  fake.tell({ event: 'session', session: other('00-gone') })
  await until(() => '00-gone' in c.state.sessions)
  let calls = 0
  vi.stubGlobal('fetch', (url: string) => {
    const late = { code: 'rate_limited', retry: true, retryAfter: 20 }
    if (++calls <= 3) return Promise.resolve(calls === 2 ? new Response('<html>', { status: 429 }) : new Response(JSON.stringify(late), { status: 429 }))
    return Promise.resolve(url.includes('00-gone') ? new Response(JSON.stringify({ code: 'forbidden' }), { status: 403 }) : new Response(JSON.stringify({ session: fake.state() })))
  })
  const w = Array.from({ length: 3 }, (_, i) => fake.state({ id: `w${i}`, state: 'waiting' }))
  fake.queues = [{ queue: 'q', waiting: w, size: 3, oldest: null }]
  fake.listed = [[other('00-a')], [other('00-b')]]
  await back(c, () => {
    fake.more = fake.unnamed = true
    fake.append('missed')
    fake.limited = 12 // more than there are tries for another refusal
  })
  expect(fake.limited).toBe(0)
  await holdsTheLog(c)
  await until(() => c.state.queues['q']?.waiting.length === 3)
  expect(Object.keys(c.state.sessions)).toEqual(expect.arrayContaining(['00-a', '00-b', session]))
  await until(() => !('00-gone' in c.state.sessions))
})

it('takes a lower rev after a fall-back, by hello, by event and after a reset, but no older answer', async () => {
  fake.rev = 7
  const c = await hold(1)
  const rev = () => c.state.sessions[session]!.rev
  expect(rev()).toBe(7)
  c.keep(fake.state({ rev: 5, state: 'waiting' }))
  expect(rev()).toBe(7)
  fake.tell({ event: 'session', session: fake.state({ rev: 6, state: 'waiting', agent: null }) })
  await until(() => rev() === 6 && c.state.sessions[session]!.state === 'waiting')
  fake.rev = 4
  fake.fallBack(0)
  fake.reset()
  await until(() => rev() === 4 && c.state.sessions[session]!.seq === 0)
  await back(c, () => (fake.rev = 3))
  expect(rev()).toBe(3)
})

it('loses nothing that comes while a session is asked for by HTTP', async () => {
  const c = await hold(1)
  let answer!: (r: Response) => void
  vi.stubGlobal('fetch', () => new Promise<Response>((done) => (answer = done)))
  fake.reset()
  await until(() => Boolean(answer))
  fake.post('meanwhile')
  await until(() => held(c).length === 2)
  answer(new Response(JSON.stringify({ session: fake.state() })))
  await new Promise((done) => setTimeout(done, 0))
  await new Promise((done) => setImmediate(done))
  await holdsTheLog(c)
  fake.post('and on')
  await holdsTheLog(c)
})

it('marks as read what came after a fall-back', async () => {
  const c = await hold(5)
  c.read(session, 5)
  await until(() => fake.commands.some((x) => x.cmd === 'read'))
  fake.fallBack(2)
  fake.reset()
  fake.post('x')
  await holdsTheLog(c)
  const before = fake.commands.length
  c.read(session)
  await until(() => fake.commands.slice(before).some((x) => x.cmd === 'read'))
})

it('lists the sessions that hello had no room for, and takes none that it holds for gone', async () => {
  const c = await hold(3)
  const other = (id: string, more: Partial<Session> = {}) => fake.state({ id, mid: undefined, ...more })
  fake.listed = [[other('00-a')], [other('00-b')], [other('00-c', { user: { id: 'eva', name: '' } })]]
  await back(c, () => {
    fake.more = fake.unnamed = true
    fake.append('missed')
  })
  expect(Object.keys(c.state.sessions).sort()).toEqual(['00-a', '00-b', '00-c', session])
  await holdsTheLog(c)
  await back(c, () => (fake.fallBack(1), fake.append('x')))
  await holdsTheLog(c)
})

it('lists a queue to its end where watch and resets have no room for all of it', async () => {
  const c = await connect()
  const w = Array.from({ length: 7 }, (_, i) => fake.state({ id: `w${i}`, state: 'waiting', created: `2026-01-01T00:0${i}:00.000Z` }))
  const ids = () => c.state.queues['q']?.waiting.map((s) => s.id).join()
  fake.listed = [[w[6]!, w[5]!, w[4]!], [w[3]!, w[2]!], [w[1]!, w[0]!]]
  fake.tell({ event: 'queue', queue: 'q', size: 7, reset: w.slice(0, 2) })
  await until(() => ids() === 'w0,w1,w2,w3,w4,w5,w6')
  const listed = () => fake.commands.filter((x) => x.cmd === 'sessions').length
  expect(fake.commands.findLast((x) => x.cmd === 'sessions')).toMatchObject({ state: 'waiting', queue: 'q' })
  // One grabbed, and a reset that agrees: there is nothing to list.
  fake.tell({ event: 'queue', queue: 'q', size: 6, removed: 'w4', by: 'bea' })
  fake.tell({ event: 'queue', queue: 'q', size: 6, reset: w.slice(0, 2) })
  const before = listed()
  fake.post('a mark')
  await until(() => c.state.sessions[session]!.seq === fake.log.length)
  expect(ids()).toBe('w0,w1,w2,w3,w5,w6')
  expect(listed()).toBe(before)
  // A removal that was lost shows in the size.
  fake.listed = [[w[5]!], [w[2]!, w[1]!, w[0]!]]
  fake.tell({ event: 'queue', queue: 'q', size: 4, reset: w.slice(0, 2) })
  await until(() => ids() === 'w0,w1,w2,w5')
})

/** A generator of numbers below n that a seed repeats. */
function dice(seed: number) {
  return (n: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * n)
  }
}

it('holds the log in the end, whatever happened', { timeout: 300_000 }, async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const roll = dice(seed)
    fake = new Fake()
    const c = await hold(roll(5))
    const acts: (() => unknown)[] = [
      () => fake.post('theirs'),
      () => fake.post('theirs', 'theirs, too'),
      () => void c.send(session, 'mine').catch(() => {}),
      () => fake.cut(),
      () => (fake.fallBack(roll(fake.log.length + 1)), fake.reset()),
      () => (fake.cut(), fake.fallBack(roll(fake.log.length + 1)), fake.post('after it')),
      () => (fake.lose = 1),
      () => (fake.unnamed = !fake.unnamed),
      () => {
        let n = roll(4)
        const to = roll(3)
        fake.asked = () => void (n-- === 0 && (fake.fallBack(Math.min(to, fake.log.length)), fake.reset(), fake.post('meanwhile')))
      },
      () => new Promise((done) => setTimeout(done, roll(3) * 60)),
    ]
    try {
      for (let i = 0; i < 12; i++) await acts[roll(acts.length)]!()
      fake.lose = 0
      await until(() => c.state.resumed && logOf(c.state, session).pending.length === 0)
      fake.post('the last')
      await holdsTheLog(c)
    } catch (e) {
      throw new Error(`seed ${seed}`, { cause: e })
    }
    c.close()
  }
})
