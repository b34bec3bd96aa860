import { afterEach, expect, it, vi } from 'vitest'
import { Client, logOf, type Event, type Options } from '../src/index.js'
import { Fake, session } from './fake.js'

const clients: Client[] = []
afterEach(() => {
  for (const c of clients.splice(0)) c.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const until = (ok: () => boolean) => vi.waitFor(() => expect(ok()).toBe(true), { timeout: 10_000, interval: 5 })

async function connect(fake: Fake, opt: Partial<Options>) {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ session: fake.state() }))))
  const c = new Client({ url: 'http://fake', token: 't', WebSocket: fake.WebSocket, ...opt }).start()
  clients.push(c)
  await until(() => c.state.resumed)
  await c.load(session)
  return c
}

const bodies = Array.from({ length: 60 }, (_, i) => `m${i}`)
const held = (c: Client) => logOf(c.state, session).messages.map((m) => m.body)
const oops = new Error('oops')

// Ways to fail.
const ways: Record<string, (e: Event, c: Client) => unknown> = {
  throws: () => {
    throw oops
  },
  'throws nothing': () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- people do
    throw undefined
  },
  'throws a text': () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- people do
    throw 'oops'
  },
  // As `new Notification` on a phone.
  'is no constructor': () => new (Math.max as unknown as new () => object)(),
  rejects: () => Promise.reject(oops),
  'rejects later': () => new Promise((_, no) => setTimeout(() => no(oops), 3)),
  'answers what fails when it is waited for': () => ({
    then() {
      throw oops
    },
  }),
  'calls methods, and throws': (e, c) => {
    if (e.event === 'message') {
      c.read(session)
      c.typing(session, 'x')
      void c.load(session)
      c.reconnect()
    }
    throw oops
  },
}

for (const [way, fail] of Object.entries(ways)) {
  it.each(['frames', 'one frame'])(`hands all on to a listener that ${way}: a burst in %s`, async (how) => {
    const fake = new Fake()
    fake.append('before')
    const heard: string[] = []
    const errors: unknown[] = []
    const c: Client = await connect(fake, {
      onEvent: (e) => {
        heard.push(e.event === 'message' ? String(e.body) : e.event)
        return fail(e, c)
      },
      onError: (e) => errors.push(e),
    })
    if (how === 'frames') fake.post(...bodies)
    else fake.burst(...bodies)
    await until(() => held(c).length === 61)
    expect(held(c)).toEqual(['before', ...bodies])
    expect(heard).toEqual(['hello', ...bodies])
    expect(logOf(c.state, session).cursor.seq).toBe(61)
    await until(() => errors.length === heard.length)
    fake.post('after a break')
    fake.cut()
    await until(() => held(c).length === 62 && c.state.resumed)
    expect(held(c).at(-1)).toBe('after a break')
  })
}

it('tells the others where a subscriber throws, rejects, leaves or subscribes', async () => {
  const fake = new Fake()
  const errors: unknown[] = []
  const c = await connect(fake, { onError: (e) => errors.push(e) })
  let [told, left, late] = [0, 0, 0]
  c.subscribe(() => {
    throw oops
  })
  const rejects: () => unknown = () => Promise.reject(oops)
  c.subscribe(rejects)
  const leave = c.subscribe(() => {
    left++
    leave()
    leaveOther()
    c.subscribe(() => late++)
  })
  const leaveOther = c.subscribe(() => expect.unreachable())
  c.subscribe(() => told++)
  fake.post('one')
  await until(() => held(c).length === 1 && told > 0)
  await until(() => errors.length >= 2)
  const before = told
  fake.post('two')
  await until(() => held(c).length === 2 && told > before && late > 0)
  expect(left).toBe(1)
  expect(errors.every((e) => e === oops)).toBe(true)
})

it('reports to the global handler where there is no other, and where that one fails', async () => {
  const fake = new Fake()
  const reported: unknown[] = []
  vi.stubGlobal('reportError', (e: unknown) => reported.push(e))
  await connect(fake, { onEvent: ways['throws'] as () => void })
  await until(() => reported.includes(oops))
  const worse = new Error('worse')
  await connect(fake, {
    onEvent: ways['rejects'] as () => void,
    onError: () => {
      throw worse
    },
  })
  await until(() => reported.includes(worse))
  vi.stubGlobal('reportError', undefined) // as in Node, which ends at an error that nobody catches
  const told = vi.spyOn(console, 'error').mockImplementation(() => {})
  await connect(fake, { onEvent: ways['throws'] as () => void })
  await until(() => told.mock.calls.some(([e]) => e === oops))
})

it('goes on with what hello is the beginning of', async () => {
  const fake = new Fake()
  const c = await connect(fake, {
    onEvent: (e) => {
      if (e.event === 'hello') throw oops
    },
    onError: () => {},
  })
  fake.append('missed')
  fake.cut()
  const sent = c.send(session, 'while it was away')
  await until(() => c.state.status === 'online')
  expect((await sent).seq).toBe(2)
  await until(() => c.state.resumed && held(c).length === 2)
  expect(held(c)).toEqual(['missed', 'while it was away'])
}, 8_000)

it('closes for a listener at once: nothing follows, and the cursor stays where it was', async () => {
  const fake = new Fake()
  const heard: string[] = []
  const c: Client = await connect(fake, {
    onEvent: (e) => {
      if (e.event !== 'message') return
      heard.push(String(e.body))
      if (e.body === 'm9') c.close()
    },
  })
  const waiting = c.send(session, 'x').catch((e: Error) => e)
  await waiting
  fake.burst(...bodies)
  fake.post('more')
  await until(() => c.state.status === 'closed')
  await new Promise((done) => setTimeout(done, 50))
  expect(heard).toEqual(bodies.slice(0, 10))
  expect(held(c)).toEqual(['x', ...heard])
  expect(logOf(c.state, session).cursor.seq).toBe(11)
  expect(c.state.reason).toBe('closed')
})

it('keeps the log whole with a storage that forbids everything', async () => {
  const fake = new Fake()
  const no = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const c = await connect(fake, { storage: { get length() { return no() }, key: no, getItem: no, setItem: no, removeItem: no } })
  await Promise.all([c.send(session, 'one'), c.send(session, 'two')])
  fake.burst(...bodies)
  await until(() => held(c).length === 62)
  c.discard(logOf(c.state, session).pending[0] ?? { key: 'k', session, type: 'text', body: '', at: '', state: 'failed' })
  expect(logOf(c.state, session).cursor.seq).toBe(62)
})

it('asks again for a token that could not be got, and tells why', async () => {
  const fake = new Fake()
  const errors: unknown[] = []
  let asked = 0
  await connect(fake, {
    token: () => {
      if (++asked === 1) throw oops
      return asked === 2 ? Promise.reject(oops) : 't'
    },
    onError: (e) => errors.push(e),
  })
  expect(errors).toEqual([oops, oops])
})
