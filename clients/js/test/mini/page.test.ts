import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { Client, logOf } from '../../src/index.js'
import { Server } from '../server.js'
import { bundle } from './bundle.js'
import { App, root } from './page.js'
import { android, ios, Phone } from './phone.js'

interface Row {
  id: string
  kind: string
  text?: string
  src?: string
  mine: boolean
  recall?: boolean
  failed?: boolean
  key?: string
}
interface Data {
  rows: Row[]
  text: string
  notice: string
  unread: number
  ended: boolean
  rated: boolean
  more: boolean
}

let server: Server
let code: string
const ends: (() => void)[] = []
beforeAll(async () => {
  ;[server, code] = await Promise.all([Server.start({ BELLHOP_SEND_RATE: '0' }), bundle()])
})
afterEach(() => {
  for (const end of ends.splice(0)) end()
})
afterAll(() => server.stop())

let n = 0
const name = (s: string) => `${s}-${++n}`
const until = (ok: () => boolean, ms = 15_000) => vi.waitFor(() => expect(ok()).toBe(true), { timeout: ms, interval: 10 })
const pixel = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='), (c) => c.charCodeAt(0))

/** A user with the example open, and an agent who took the session. */
async function chat(language = 'zh_CN', kind = android) {
  const queue = name('q')
  const token = await server.token('user', name('uma'))
  const app = new App<Data>(new Phone(kind), language, code, { url: server.url, queue, token: () => Promise.resolve(token) })
  const ann = new Client({ url: server.url, token: await server.token('agent', name('ann'), { queues: [queue], name: '小安' }) }).start()
  ends.push(() => { app.close(); ann.close(); app.phone.end() })
  await until(() => ann.state.resumed)
  let id = ''
  await vi.waitFor(async () => { id = (await ann.grabFrom(queue)).id }, { timeout: 10_000, interval: 50 })
  await ann.load(id)
  await until(() => texts(app).some((t) => t.includes('小安')))
  return { app, ann, id }
}

const texts = (app: App<Data>) => app.page.data.rows.map((r) => r.text ?? r.kind)
const rowOf = (app: App<Data>, text: string) => app.page.data.rows.find((r) => r.text === text)!

it.each([['zh_CN', '在线客服', '小安 为您服务'], ['en', 'Customer service', '小安 is here to help']])('opens a conversation and chats: %s', async (language, title, grabbed) => {
  const { app, ann, id } = await chat(language)
  expect(app.title).toBe(title)
  expect(texts(app)).toContain(grabbed)
  app.write('你好')
  expect(app.page.data.text).toBe('')
  await until(() => logOf(ann.state, id).messages.some((m) => m.body === '你好'))
  await ann.send(id, 'hello')
  await until(() => texts(app).includes('hello'))
  expect(rowOf(app, '你好').mine).toBe(true)
  expect(rowOf(app, 'hello').mine).toBe(false)
  expect(app.page.data.notice).toBe('')
  app.write('   ')
  await ann.end(id, { force: true })
  await until(() => app.page.data.ended)
  expect(app.page.data.rated).toBe(false)
  app.tap('rate', { score: 4 })
  await until(() => app.page.data.rated)
  expect(texts(app).filter((t) => t === '   ')).toEqual([])
  app.tap('again')
  await until(() => !app.page.data.ended)
  expect(app.phone.errors).toEqual([])
})

it('counts what comes while it is not looked at', async () => {
  const { app, ann, id } = await chat()
  app.phone.enter(() => app.page.onHide())
  await ann.send(id, 'one')
  await ann.send(id, 'two')
  await until(() => app.page.data.unread === 2)
  app.phone.enter(() => app.page.onShow())
  await until(() => app.page.data.unread === 0)
})

it('sends pictures in their order, and a voice; shows them by links', async () => {
  const { app, ann, id } = await chat()
  app.picked = ['http://tmp/1.png', 'http://tmp/2.png']
  for (const p of app.picked) app.phone.files.set(p, new Blob([pixel]))
  app.tap('picture')
  await until(() => logOf(ann.state, id).messages.filter((m) => m.type === 'image').length === 2)
  expect(logOf(ann.state, id).messages.filter((m) => m.type === 'image').map((m) => (m.body as { name: string }).name)).toEqual(['1.png', '2.png'])
  await until(() => app.page.data.rows.filter((r) => r.kind === 'image' && r.src).length === 2)
  const { src } = app.page.data.rows.find((r) => r.kind === 'image')!
  expect((await fetch(src!)).status).toBe(200)
  app.recorded = { tempFilePath: 'http://tmp/a.mp3', duration: 300 }
  app.tap('talk')
  app.tap('hush')
  expect(app.toasts).toContain('说话时间太短')
  app.phone.files.set('http://tmp/a.mp3', new Blob([new Uint8Array(500)]))
  app.recorded.duration = 4_200
  app.tap('talk')
  app.tap('cancel')
  app.tap('talk')
  app.tap('hush')
  await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'voice'))
  await until(() => app.page.data.rows.some((r) => r.kind === 'voice' && r.src))
  const voices = app.page.data.rows.filter((r) => r.kind === 'voice')
  expect(voices.map((r) => r.text)).toEqual(['语音 4″'])
  app.tap('play', { src: voices[0]!.src })
  expect(app.played).toEqual([voices[0]!.src])
  app.picked = ['http://tmp/none.png']
  app.tap('picture')
  await until(() => app.toasts.length > 1)
})

it('recalls for two minutes by the server’s clock, whatever the phone’s says', async () => {
  const { app, ann, id } = await chat()
  const true_ = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => true_() + 180_000)
  ends.push(() => vi.restoreAllMocks())
  app.phone.offline() // so that it asks again
  app.phone.online()
  await until(() => app.page.data.notice === '')
  app.write('wrong')
  await until(() => Boolean(rowOf(app, 'wrong')?.recall))
  app.tap('menu', { id: rowOf(app, 'wrong').id })
  expect(app.sheet!.itemList).toEqual(['复制', '撤回'])
  app.sheet!.success({ tapIndex: 0 })
  expect(app.clipboard).toBe('wrong')
  app.sheet!.success({ tapIndex: 1 })
  await until(() => texts(app).includes('消息已撤回'))
  expect(texts(app)).not.toContain('wrong')
  await until(() => logOf(ann.state, id).messages.some((m) => m.recalled === true))
  app.sheet = undefined
  await ann.send(id, 'mine')
  await until(() => texts(app).includes('mine'))
  app.tap('menu', { id: rowOf(app, 'mine').id })
  expect(app.sheet!.itemList).toEqual(['复制'])
})

it('is there again after the background', async () => {
  const { app, ann, id } = await chat('zh_CN', ios)
  app.phone.enter(() => app.page.onHide())
  app.phone.hide()
  app.phone.suspend()
  await new Promise((done) => setTimeout(done, 100))
  await ann.send(id, 'while you were away')
  expect(texts(app)).not.toContain('while you were away')
  app.phone.show()
  app.phone.enter(() => app.page.onShow())
  await until(() => texts(app).includes('while you were away'), 6_000)
  await until(() => app.page.data.unread === 0 && app.page.data.notice === '')
  app.phone.offline()
  await until(() => app.page.data.notice === '网络已断开，正在重连…')
  app.write('later')
  await until(() => Boolean(rowOf(app, 'later')?.key))
  app.phone.online()
  await until(() => logOf(ann.state, id).messages.some((m) => m.body === 'later'))
})

it('offers what was refused again', async () => {
  const { app, ann, id } = await chat()
  await ann.end(id, { force: true })
  await until(() => app.page.data.ended)
  app.write('too late')
  await until(() => Boolean(rowOf(app, 'too late')?.failed))
  app.tap('retry', { key: rowOf(app, 'too late').key })
  await until(() => Boolean(rowOf(app, 'too late')?.failed))
  expect(app.toasts.length).toBeGreaterThan(0)
})

it('has all its texts in both languages, and a handler for all that its view binds', async () => {
  const { app } = await chat()
  const { zh, en } = app.require(join(root, 'lib/texts')) as Record<'zh' | 'en', Record<string, string>>
  expect(Object.keys(zh)).toEqual(Object.keys(en))
  const view = readFileSync(join(root, 'pages/chat/chat.wxml'), 'utf8')
  for (const [, handler] of view.matchAll(/\bbind\w+="(\w+)"/g)) expect(app.page[handler!], handler).toBeTypeOf('function')
  for (const [, text] of view.matchAll(/\bt\.(\w+)/g)) expect(zh, text).toHaveProperty(text!)
  for (const f of readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.json'))) JSON.parse(readFileSync(join(root, f), 'utf8'))
})
