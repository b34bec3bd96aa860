import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { logOf, type Client as Web } from '../../src/index.js'
import type { Client as Mini, Options } from '../../src/mini.js'
import { Server } from '../server.js'
import { bundle } from './bundle.js'
import { android, ios, odd, Phone, type Kind } from './phone.js'

let server: Server
let code: string
const phones: Phone[] = []
const clients: { close(): void }[] = []

beforeAll(async () => {
  ;[server, code] = await Promise.all([Server.start({ BELLHOP_SEND_RATE: '0' }), bundle()])
})
afterEach(() => {
  for (const c of clients.splice(0)) c.close()
  for (const p of phones.splice(0)) p.end()
})
afterAll(() => server.stop())

let n = 0
const name = (s: string) => `${s}-${++n}`
const until = (ok: () => boolean, ms = 15_000) => vi.waitFor(() => expect(ok()).toBe(true), { timeout: ms, interval: 10 })

/** A mini program with a client of its own, from the file that is published. */
async function mini(kind: Kind, opt: Partial<Options> & { id?: string; phone?: Phone } = {}) {
  const phone = opt.phone ?? new Phone(kind)
  phones.push(phone)
  const { Client } = Phone.require(phone.context(), code) as unknown as { Client: typeof Mini }
  const token = opt.token ?? (await server.token('user', opt.id ?? name('uma')))
  const c = new Client({ url: server.url, api: phone.wx as never, ...opt, token }).start()
  clients.push(c)
  return { phone, c }
}

/** The agent of a queue, by HTTP. */
async function say(session: string, ann: string, body: string) {
  const r = await fetch(`${server.url}/api/v1/sessions/${session}/messages`, { method: 'POST', headers: { Authorization: `Bearer ${ann}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ type: 'text', body }) })
  expect(r.ok).toBe(true)
}

/** One who talks to an agent. */
async function talk(kind: Kind, opt: Parameters<typeof mini>[1] = {}) {
  const { phone, c } = await mini(kind, opt)
  await until(() => c.state.resumed)
  const queue = name('q')
  const { id } = await c.open({ queue, subject: 'parcel' })
  const ann = await server.token('agent', name('ann'), { queues: [queue] })
  await fetch(`${server.url}/api/v1/sessions/${id}/grab`, { method: 'POST', headers: { Authorization: `Bearer ${ann}`, 'Content-Type': 'application/json' }, body: '{}' })
  await c.load(id)
  return { phone, c, id, ann }
}

const texts = (c: Mini | Web, id: string) => logOf(c.state, id).messages.filter((m) => m.type === 'text').map((m) => m.body)
const kinds = { android, ios, odd }

it('needs nothing of a browser', () => {
  expect(code).not.toMatch(/\b(globalThis|window|document|localStorage|queueMicrotask|structuredClone|navigator|WebSocket|XMLHttpRequest|FormData|URL|Headers|TextEncoder|AbortController|crypto|performance)\b(?!:)/)
  expect(code).not.toMatch(/\?\?|\?\.[a-z_$([]/i) // nor today's language
  expect(code).not.toMatch(/\bfetch\(|\brequire\(|\bimport\b/)
})

it.each(Object.entries(kinds))('chats, counts, recalls, asks by HTTP and uploads: %s', async (_, kind) => {
  const { phone, c, id, ann } = await talk(kind)
  await c.send(id, '你好 "one"')
  await say(id, ann, 'two')
  await until(() => texts(c, id).length === 2 && c.state.unread > 0)
  expect(texts(c, id)).toEqual(['你好 "one"', 'two'])
  c.read(id)
  await until(() => c.state.unread === 0)
  const sent = await c.send(id, 'wrong')
  await c.recall(id, sent.seq)
  await until(() => logOf(c.state, id).messages.some((m) => m.seq === sent.seq && m.recalled === true))
  await expect(c.recall(id, 999)).rejects.toMatchObject({ code: 'not_found' })
  expect((await c.request<{ session: { id: string } }>(`/sessions/${id}`)).session.id).toBe(id)
  await expect(c.request('/sessions/none')).rejects.toMatchObject({ code: 'not_found' })
  phone.files.set('http://tmp/图片.txt', new Blob(['hello']))
  const progress: number[] = []
  const body = await c.upload('http://tmp/图片.txt', '订单.txt', { onProgress: (p) => progress.push(p) })
  expect(body).toMatchObject({ name: '订单.txt', size: 5 })
  expect(progress).toEqual([1])
  await c.send(id, body, { type: 'file' })
  await expect(c.upload('http://tmp/none.png')).rejects.toMatchObject({ code: 'unavailable' })
  expect(phone.errors).toEqual([])
})

it('speaks uni-app, too', async () => {
  const phone = new Phone()
  const { c, id, ann } = await talk(android, { phone, api: phone.uni as never })
  await say(id, ann, 'hi')
  await until(() => texts(c, id).includes('hi'))
  expect((await c.list({})).sessions[0]!.id).toBe(id)
  phone.files.set('tmp/a.txt', new Blob(['x']))
  expect(await c.upload('tmp/a.txt')).toMatchObject({ name: 'a.txt' })
})

it.each(Object.entries(kinds))('is there again at once after the background, and misses nothing: %s', async (_, kind) => {
  const { phone, c, id, ann } = await talk(kind)
  for (let i = 0; i < 3; i++) {
    phone.hide()
    await say(id, ann, `soon ${i}`)
    if (i === 0) await new Promise((done) => setTimeout(done, 5_200)) // once with the true clock
    else {
      phone.suspend()
      vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
    }
    await new Promise((done) => setTimeout(done, 100))
    expect(phone.suspended).toBe(true)
    expect(phone.sockets.living).toEqual([])
    await say(id, ann, `away ${i}`)
    const before = phone.sockets.all.length
    expect(texts(c, id)).not.toContain(`away ${i}`)
    phone.show()
    vi.restoreAllMocks()
    await until(() => c.state.resumed && texts(c, id).includes(`away ${i}`), 2_000)
    expect(phone.sockets.living).toHaveLength(1)
    expect(phone.sockets.all.length - before).toBe(1)
    const sent = c.send(id, `back ${i}`)
    await sent
  }
  expect(texts(c, id)).toEqual([0, 1, 2].flatMap((i) => [`soon ${i}`, `away ${i}`, `back ${i}`]))
  expect(phone.errors).toEqual([])
}, 40_000)

it('keeps its connection where it was away for a moment', async () => {
  const { phone, c } = await talk(ios)
  phone.hide()
  await new Promise((done) => setTimeout(done, 300))
  phone.show()
  await new Promise((done) => setTimeout(done, 300))
  expect(c.state.status).toBe('online')
  expect(phone.sockets.all).toHaveLength(1)
})

it.each(Object.entries(kinds))('sends what was written without a network, once, when it is back: %s', async (_, kind) => {
  const { phone, c, id, ann } = await talk(kind)
  phone.offline()
  await until(() => c.state.status !== 'online')
  const sends = ['a', 'b', 'c'].map((t) => c.send(id, t))
  await say(id, ann, 'meanwhile')
  await new Promise((done) => setTimeout(done, 2_500)) // attempts fail, slower and slower
  phone.online()
  await until(() => c.state.resumed, 2_000)
  await Promise.all(sends)
  expect(texts(c, id)).toEqual(['meanwhile', 'a', 'b', 'c'])
  expect(phone.errors).toEqual([])
})

it('sends what a mini program left over that was ended, once', async () => {
  const id = name('uma')
  const { phone, c, id: session, ann } = await talk(android, { id })
  phone.offline()
  void c.send(session, 'left over').catch(() => {})
  expect(phone.storage.kept.size).toBe(1)
  c.close()
  phone.online()
  const { c: next } = await mini(android, { id, phone })
  await until(() => next.state.resumed && phone.storage.kept.size === 0)
  await next.load(session)
  await say(session, ann, 'yes')
  await until(() => texts(next, session).length === 2)
  expect(texts(next, session)).toEqual(['left over', 'yes'])
})

it.each(Object.entries(kinds))('waits for a place where five sockets are taken, and takes one: %s', async (_, kind) => {
  const phone = new Phone(kind)
  const token = await server.token('user', name('other'))
  const others = Array.from({ length: 5 }, (_, i) => phone.wx.connectSocket({ url: `${server.url.replace('http', 'ws')}/websocket?device=d${i}`, header: { Authorization: `Bearer ${token}` } } as never)!)
  await until(() => others.every((s) => s.readyState === 1))
  const { c } = await mini(kind, { phone })
  await new Promise((done) => setTimeout(done, 500))
  expect(c.state.status).not.toBe('online')
  expect(c.state.status).not.toBe('closed')
  others[0]!.close()
  await until(() => c.state.resumed)
  expect(phone.sockets.living).toHaveLength(5)
})

it('leaves no socket behind that it closed before it was open, and no listener', async () => {
  const { phone, c } = await mini(ios)
  await until(() => phone.sockets.all.length === 1)
  c.close()
  await new Promise((done) => setTimeout(done, 500))
  expect(phone.sockets.living).toEqual([])
  expect(phone.listening).toBe(0)
})

it.each(Object.entries(kinds))('is told why it is refused: %s', async (_, kind) => {
  const { c } = await mini(kind, { token: 'no-such-token' })
  await until(() => c.state.status === 'closed')
  expect(c.state.reason).toBe('unauthorized')
})

it('comes back after the server went, and follows its close codes', async () => {
  const user = name('uma')
  const { c } = await talk(ios, { id: user })
  await server.kill()
  await until(() => c.state.status !== 'online')
  await server.run()
  await until(() => c.state.resumed, 40_000)
  await server.host('PUT', `/users/${user}`, { blocked: true })
  await until(() => c.state.status === 'closed')
  expect(c.state.reason).toBe('blocked')
}, 60_000)

it('reports what a listener throws to App.onError', async () => {
  const oops = new Error('oops')
  const { phone, c } = await mini(android, {
    onEvent: () => {
      throw oops
    },
  })
  await until(() => c.state.resumed && phone.errors.includes(oops))
})

it('is what its package says', () => {
  const at = join(import.meta.dirname, '../..')
  const p = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { miniprogram: string; exports: Record<string, { default: string }> }
  expect(p.miniprogram).toBe('dist/mini')
  expect(p.exports['./mini']!.default).toBe('./dist/mini.js')
})
