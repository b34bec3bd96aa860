import { Client } from 'bellhop-client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { Server } from '../../clients/js/test/server.js'
import { at, launch, Person, type View } from './browser.js'

/** The server and the browser of a test file. */
export let server: Server
export let browser: Browser

const clients: Client[] = []

export function useWorld() {
  beforeAll(async () => {
    ;[server, browser] = await Promise.all([Server.start({ BELLHOP_SEND_RATE: '0' }), launch()])
  })
  afterAll(async () => {
    for (const c of clients) c.close()
    await browser?.close()
    await server?.stop()
  })
}

let n = 0
export const name = (s: string) => `${s}-${++n}`

export async function until(ok: () => boolean | Promise<boolean>, what: string) {
  for (let i = 0; !(await ok()); i++) {
    if (i > 1200) throw new Error(`${what}: it did not come`)
    await new Promise((done) => setTimeout(done, 25))
  }
}

/** Presses the button that is held to talk. */
export async function press(page: Page) {
  await page.locator('.bh-hold').hover()
  await page.mouse.down()
  await page.locator('.bh-recording').waitFor()
}

/** Holds it for as long, in ms, from when the microphone is open, which takes a moment, and lets go. */
export async function hold(page: Page, ms: number) {
  await page.locator('.bh-recording', { hasText: '0:0' }).waitFor()
  await page.waitForTimeout(ms)
  await page.mouse.up()
}

/** An agent by the SDK, for where the page under test is the user's. */
export async function agent(queue: string, shown = 'Ann 安') {
  const c = new Client({ url: server.url, token: await server.token('agent', name('ann'), { queues: [queue], name: shown }) }).start()
  clients.push(c)
  await until(() => c.state.resumed, 'the agent')
  await c.watch()
  return c
}

/** A user by the SDK, for where the page under test is the desk. */
export async function client(shown: string, id = name('uma')) {
  const c = new Client({ url: server.url, token: await server.token('user', id, { name: shown }) }).start()
  clients.push(c)
  await until(() => c.state.resumed, 'the user')
  return c
}

/** A user on the page. */
export async function user(v: View, queue: string, id = name('uma')) {
  const p = await Person.open(browser, v)
  await p.page.goto(await at(server, 'chat', 'user', id, { name: 'Uma 小满', hash: `queue=${queue}` }))
  return p
}

/** The id of the first session in a queue's line. */
export async function waiting(c: Client, queue: string) {
  await until(() => (c.state.queues[queue]?.waiting.length ?? 0) > 0, 'the waiting session')
  return c.state.queues[queue]!.waiting[0]!.id
}
