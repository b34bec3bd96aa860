import { afterEach, expect, it, vi } from 'vitest'
import { Client, logOf } from '../src/index.js'
import { whole } from '../src/shape.js'
import { Fake, session } from './fake.js'

const clients: Client[] = []
afterEach(() => {
  for (const c of clients.splice(0)) c.close()
  vi.restoreAllMocks()
})

const until = (ok: () => boolean) => vi.waitFor(() => expect(ok()).toBe(true), { timeout: 10_000, interval: 5 })

/** A client whose server says anything: objects, and text that is none. */
async function connect(fake: Fake) {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ session: fake.state() }))))
  const c = new Client({ url: 'http://fake', token: 't', WebSocket: fake.WebSocket }).start()
  clients.push(c)
  await until(() => c.state.resumed)
  await c.load(session)
  return c
}

const nothings = [null, 7, '', 'x', [], {}, [null], { id: null }, true]

it('skips what it cannot read, says so, and reads on', async () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {})
  const fake = new Fake()
  fake.append('before')
  const c = await connect(fake)
  const sockets = (fake as unknown as { open: Set<{ onmessage?: (e: { data: unknown }) => void }> }).open
  let bad = 0
  for (const s of sockets) for (const data of ['{', 'no JSON\n\n{"event":', 'null', '7', '"event"', '[]']) { s.onmessage?.({ data }); bad++ }
  expect(told.mock.calls.length).toBeGreaterThanOrEqual(bad - 1) // an array is an answer to nothing
  for (const event of ['hello', 'reset', 'message', 'recalled', 'read', 'typing', 'session', 'unread', 'queue', 'position', 'offer', 'offer-ended', 'presence', 'closing', 'constructor', '__proto__', 'of a newer server']) {
    if (event === 'hello' || event === 'reset') continue // these begin anew, below
    for (const x of nothings) fake.tell({ event, session: x, added: x, reset: x, from: x, queue: x, agent: x, seq: x, user: x, by: x })
    fake.tell({ event })
  }
  for (const x of nothings) if (x !== 7) fake.tell({ event: 'message', session, seq: x, from: x, at: x, body: x, type: x, mid: x })
  fake.tell({ event: 'message', session, seq: -3, mid: 'm', at: '', from: { id: 'ann' }, type: 'text', body: 'below' })
  fake.tell({ event: 'message', session, seq: 1e300, mid: 'm', at: '', from: { id: 'ann' }, type: 'text', body: 'beyond' })
  fake.post('after')
  await until(() => logOf(c.state, session).messages.some((m) => m.body === 'after'))
  expect(logOf(c.state, session).messages.map((m) => m.body)).toEqual(['before', 'after'])
  expect(c.state.status).toBe('online')
})

it('connects although some of its sessions are none', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const fake = new Fake()
  fake.append('one')
  const greet = fake.state.bind(fake)
  fake.state = (more = {}) => ({ ...greet(more), user: null, assistants: null, agent: 'ann', subject: 7, created: null, unread: -1, priority: '9' }) as never
  const c = await connect(fake)
  expect(c.state.sessions[session]).toMatchObject({ user: { id: '', name: '' }, assistants: [], agent: null, subject: '', created: '', unread: 0, priority: 0 })
  expect(c.state.unread).toBe(0)
})

it('has no queue, agent or session that nobody named', async () => {
  const c = await connect(new Fake())
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    expect(c.state.queues[name]).toBeUndefined()
    expect(logOf(c.state, name).messages).toEqual([])
  }
  const fake = new Fake()
  const d = await connect(fake)
  for (const queue of ['constructor', '__proto__']) fake.tell({ event: 'queue', queue, size: 1, added: fake.state({ id: `00-${queue}`, queue, state: 'waiting' }) })
  for (const agent of ['constructor', '__proto__']) fake.tell({ event: 'presence', agent, status: 'online', load: 1, capacity: 2 })
  for (const by of ['constructor', '__proto__']) fake.tell({ event: 'read', session, by, seq: 1 })
  await until(() => d.state.marks[session]?.['__proto__'] === 1)
  expect(Object.keys(d.state.queues)).toEqual(['constructor', '__proto__'])
  expect(d.state.queues['__proto__']!.waiting).toHaveLength(1)
  expect(Object.keys(d.state.agents)).toEqual(['constructor', '__proto__'])
  expect(Object.getPrototypeOf({})).toBe(Object.prototype)
})

it('leaves alone what is good', () => {
  const fake = new Fake()
  fake.append('x')
  const good = { event: 'hello', sessions: [fake.state({ labels: ['a'] })], offers: [], me: fake.me }
  expect(whole(JSON.parse(JSON.stringify(good)))).toEqual(JSON.parse(JSON.stringify(good)))
  const m = { event: 'message', ...fake.message(1), replyTo: 7 }
  expect(whole(m)).toEqual(m)
  expect(whole({ ...m, replyTo: undefined })).not.toHaveProperty('replyTo', 0)
  for (const x of [null, 7, 'x', undefined, { url: '/api/v1/files/a' }, { text: 'canned' }]) expect(whole(x)).toEqual(x)
})
