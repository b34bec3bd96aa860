import { afterAll, beforeAll, expect, it } from 'vitest'
import { Client, logOf, type BellhopError, type Event, type Message } from '../src/index.js'
import { Server } from './server.js'

let server: Server
const clients: Client[] = []

beforeAll(async () => {
  server = await Server.start({ BELLHOP_DRAIN: '500ms', BELLHOP_SEND_RATE: '0' })
})
afterAll(async () => {
  for (const c of clients) c.close()
  await server.stop()
})

let n = 0
const name = (s: string) => `${s}-${++n}`

async function connect(role: string, id: string, more: object = {}, onEvent?: (e: Event) => void) {
  const c = new Client({ url: server.url, token: await server.token(role, id, more), onEvent }).start()
  clients.push(c)
  await until(() => c.state.resumed)
  return c
}

async function until(ok: () => boolean, what = 'what was expected') {
  for (let i = 0; !ok(); i++) {
    if (i > 1500) throw new Error(`${what} did not come`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

const texts = (c: Client, session: string) => logOf(c.state, session).messages.filter((m) => m.type === 'text').map((m) => m.body)

/** A user and an agent in a served session, both with its messages. */
async function pair() {
  const queue = name('q')
  const uma = await connect('user', name('uma'))
  const ann = await connect('agent', name('ann'), { queues: [queue] })
  const s = await uma.open({ queue, subject: 'parcel' })
  await ann.grab(s.id)
  await Promise.all([uma.load(s.id), ann.load(s.id)])
  return { uma, ann, id: s.id, queue }
}

it('chats both ways, counts and clears unread', async () => {
  const { uma, ann, id } = await pair()
  await Promise.all([uma.send(id, 'one'), uma.send(id, 'two')])
  await until(() => texts(ann, id).length === 2)
  expect(texts(ann, id)).toEqual(['one', 'two'])
  await until(() => ann.state.sessions[id]!.unread === 2)
  expect(ann.state.unread).toBe(2)
  ann.read(id)
  await until(() => ann.state.unread === 0)
  await until(() => Object.values(uma.state.marks[id] ?? {}).includes(logOf(ann.state, id).messages.at(-1)!.seq))
  const sent = await ann.send(id, 'three', { replyTo: 1 })
  await until(() => texts(uma, id).length === 3)
  expect(logOf(uma.state, id).messages.at(-1)).toMatchObject({ seq: sent.seq, replyTo: 1 })
  await ann.recall(id, sent.seq)
  await until(() => logOf(uma.state, id).messages.some((m) => m.seq === sent.seq && m.recalled === true && m.body === undefined))
})

it('watches a queue, loses a race, transfers with accept, ends, is rated', async () => {
  const queue = name('q')
  const [ann, bea] = [await connect('agent', name('ann'), { queues: [queue] }), await connect('agent', name('bea'), { queues: [queue] })]
  await ann.watch()
  const uma = await connect('user', name('uma'))
  const s = await uma.open({ queue })
  await until(() => ann.state.queues[queue]?.waiting.some((w) => w.id === s.id) ?? false)
  await ann.grab(s.id)
  await until(() => ann.state.queues[queue]!.size === 0 && ann.state.queues[queue]!.waiting.length === 0)
  const refusal = await bea.grab(s.id).catch((e: BellhopError) => e)
  expect(refusal).toMatchObject({ code: 'taken', by: ann.state.me!.id })
  await ann.transfer(s.id, { agent: bea.state.me!.id }, 'please')
  await until(() => bea.state.offers.length === 1)
  expect(bea.state.offers[0]).toMatchObject({ note: 'please', from: ann.state.me!.id })
  await bea.accept(s.id)
  await until(() => bea.state.offers.length === 0 && uma.state.sessions[s.id]!.agent!.id === bea.state.me!.id)
  await bea.end(s.id)
  await until(() => uma.state.sessions[s.id]!.state === 'ending')
  await uma.end(s.id)
  await uma.rate(s.id, 5, 'good')
  await until(() => bea.state.sessions[s.id]!.rating?.score === 5)
})

it('misses nothing of what was said while it took no part, whoever takes it back in', async () => {
  const { uma, ann, id, queue } = await pair()
  const bea = await connect('agent', name('bea'), { queues: [queue] })
  const said: string[] = []
  const say = async () => {
    for (let i = 0; i < 3; i++) {
      said.push(`${said.length}`)
      await uma.send(id, said.at(-1))
    }
  }
  const back: Record<string, () => Promise<unknown>> = {
    grabbed: () => bea.transfer(id, { queue }).then(() => ann.grab(id)),
    accepted: async () => {
      await bea.transfer(id, { agent: ann.state.me!.id })
      await ann.accept(id)
    },
    joined: () => ann.join(id),
  }
  for (const [how, takeBack] of Object.entries(back)) {
    await say()
    await ann.transfer(id, { agent: bea.state.me!.id })
    await bea.accept(id)
    await say()
    await takeBack()
    await say()
    await until(() => texts(ann, id).length >= said.length, how)
    expect(texts(ann, id)).toEqual(said)
    if (how === 'joined') await ann.leave(id)
  }
})

it('keeps the log in order with 300 messages, in pages, each once', async () => {
  const { uma, ann, id } = await pair()
  for (let i = 0; i < 300; i++) void (i % 2 ? uma : ann).send(id, `m${i}`)
  await until(() => texts(uma, id).length === 300 && texts(ann, id).length === 300)
  const late = await connect('user', uma.state.me!.id)
  await late.load(id)
  expect(texts(late, id).length).toBeLessThan(60)
  while (logOf(late.state, id).more) await late.loadOlder(id)
  expect(logOf(late.state, id).messages).toEqual(logOf(uma.state, id).messages)
  const seqs = logOf(late.state, id).messages.map((m) => m.seq)
  expect(seqs).toEqual(seqs.map((_, i) => i + 1))
})

it('misses and doubles nothing when the server is killed while both write', async () => {
  const { uma, ann, id } = await pair()
  const sends: Promise<unknown>[] = []
  for (let i = 0; i < 120; i++) {
    sends.push((i % 2 ? uma : ann).send(id, `k${i}`))
    await new Promise((done) => setTimeout(done, 15))
    if (i === 40) await server.kill()
    if (i === 80) await server.run()
  }
  await until(() => uma.state.status === 'online' && ann.state.status === 'online', 'the connection')
  await Promise.all(sends)
  await until(() => texts(uma, id).length === 120 && texts(ann, id).length === 120, '120 messages')
  expect(texts(uma, id)).toEqual(texts(ann, id))
  expect(new Set(texts(uma, id)).size).toBe(120)
  const of = (c: Client) => logOf(c.state, id).messages.filter((m) => m.type === 'text' && m.from.id === c.state.me!.id).map((m) => Number(String(m.body).slice(1)))
  for (const c of [uma, ann]) expect(of(c)).toEqual(of(c).toSorted((a, b) => a - b))
})

it('sends what a reload left over, once', async () => {
  const { uma, ann, id } = await pair()
  const kept = new Map<string, string>()
  const storage = {
    get length() { return kept.size },
    key: (i: number) => [...kept.keys()][i] ?? null,
    getItem: (k: string) => kept.get(k) ?? null,
    setItem: (k: string, v: string) => void kept.set(k, v),
    removeItem: (k: string) => void kept.delete(k),
  }
  const token = await server.token('user', uma.state.me!.id)
  const first = new Client({ url: server.url, token, storage }).start()
  clients.push(first)
  await until(() => first.state.resumed)
  await server.kill()
  await until(() => first.state.status !== 'online')
  void first.send(id, 'left over').catch(() => {})
  expect(kept.size).toBe(1)
  first.close()
  await server.run()
  const tabs = [0, 1].map(() => new Client({ url: server.url, token, storage }).start())
  clients.push(...tabs)
  await until(() => texts(ann, id).includes('left over'))
  await until(() => kept.size === 0 && tabs.every((c) => c.state.resumed && logOf(c.state, id).pending.length === 0))
  await tabs[0]!.load(id)
  expect(texts(tabs[0]!, id).filter((t) => t === 'left over')).toHaveLength(1)
})

it('follows a draining server as it asks', async () => {
  const events: string[] = []
  const uma = await connect('user', name('uma'), {}, (e) => events.push(e.event))
  await server.kill('SIGTERM')
  expect(events).toContain('closing')
  await server.run()
  await until(() => uma.state.resumed)
})

it('tells why it was refused', async () => {
  const wrong = new Client({ url: server.url, token: 'no-such-token' }).start()
  clients.push(wrong)
  await until(() => wrong.state.status === 'closed')
  expect(wrong.state.reason).toBe('unauthorized')
  await expect(wrong.open()).rejects.toMatchObject({ code: 'unauthorized' })

  const uma = await connect('user', name('uma'))
  await server.host('PUT', `/users/${uma.state.me!.id}`, { blocked: true })
  await until(() => uma.state.status === 'closed')
  expect(uma.state.reason).toBe('blocked')

  const ann = await connect('agent', name('ann'))
  await expect(ann.grab('00-none')).rejects.toMatchObject({ code: 'not_found' })

  const { uma: eva, ann: bob, id } = await pair()
  await bob.end(id, { force: true })
  await expect(eva.send(id, 'too late')).rejects.toMatchObject({ code: 'ended' })
  expect(logOf(eva.state, id).pending).toMatchObject([{ state: 'failed', error: 'ended' }])
  eva.discard(logOf(eva.state, id).pending[0]!)
  expect(logOf(eva.state, id).pending).toHaveLength(0)
})

it('gives way to a second connection of its device', async () => {
  const token = await server.token('user', name('uma'))
  const [a, b] = [0, 1].map(() => new Client({ url: server.url, token, device: 'phone' }))
  clients.push(a!, b!)
  a!.start()
  await until(() => a!.state.resumed)
  b!.start()
  await until(() => a!.state.status === 'closed')
  expect(a!.state.reason).toBe('replaced')
})

it('asks for a fresh token when the one it has expires', async () => {
  const id = name('uma')
  let asked = 0
  const c = new Client({ url: server.url, token: () => server.token('user', id, { ttl: ++asked === 1 ? 2 : 3600 }) }).start()
  clients.push(c)
  await until(() => asked > 1 && c.state.resumed)
})

it('uploads', async () => {
  const { uma, ann, id } = await pair()
  const body = await uma.upload(new Blob(['hello'], { type: 'text/plain' }), 'hello.txt')
  expect(body).toMatchObject({ name: 'hello.txt', size: 5 })
  await uma.send(id, body, { type: 'file' })
  const got = () => logOf(ann.state, id).messages.find((m: Message) => m.type === 'file')
  await until(() => got() !== undefined)
  expect(got()!.body).toMatchObject({ name: 'hello.txt' })
})
