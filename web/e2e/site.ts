import { Client } from 'bellhop-client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { createServer, type Server as Http } from 'node:http'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { Server } from '../../clients/js/test/server.js'
import { launch } from './browser.js'

export const eventually = (get: () => unknown, want: unknown, message = '') => expect.poll(get, { message, timeout: 15_000, interval: 50 }).toEqual(want)
export const bubble = (p: Page) => p.locator('bellhop-widget .bubble')
export const badge = (p: Page) => p.locator('bellhop-widget .badge')
export const frame = (p: Page) => p.frameLocator('bellhop-widget iframe')

const require = createRequire(import.meta.url)
const library = (name: string, file: string) => readFileSync(join(dirname(require.resolve(`${name}/package.json`)), file), 'utf8')

const scripts: Record<string, () => string> = {
  '/turbo.js': () => library('@hotwired/turbo', 'dist/turbo.es2017-umd.js'),
  '/htmx.js': () => library('htmx.org', 'dist/htmx.min.js'),
}

/** Somebody's site: pages on an origin of its own, made by `page` from the path, and a visitor's token. */
export class Site {
  page: (path: string) => string = () => ''
  visitor = 'vera'
  tokens = 0
  private ann?: Client
  private constructor(
    private http: Http,
    readonly bellhop: Server,
  ) {}

  /** Starts it with a Bellhop that lets it in. As `localhost` it is a third party to Bellhop's frame. */
  static async start() {
    const http = createServer()
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', done))
    const origins = ['127.0.0.1', 'localhost'].map((host) => `http://${host}:${(http.address() as AddressInfo).port}`)
    const s = new Site(http, await Server.start({ BELLHOP_ORIGINS: origins.join(','), BELLHOP_SEND_RATE: '0' }))
    http.on('request', (req, res) => {
      const path = (req.url ?? '/').split('?')[0]!
      if (path === '/favicon.ico') return void res.writeHead(204).end()
      if (path === '/token') {
        s.tokens++
        return void s.bellhop.token('user', s.visitor).then((token) => res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ token })))
      }
      const script = scripts[path]
      res.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8')
      res.end(script ? script() : s.page(path))
    })
    return s
  }

  get url() {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`
  }

  /** The widget's tag. */
  tag(more = '') {
    return `<script src="${this.bellhop.url}/widget.js" defer data-token-url="/token" data-lang="en" ${more}></script>`
  }

  /** How many WebSockets the server has. */
  async connections() {
    const text = await (await fetch(`${this.bellhop.url}/metrics`)).text()
    return Number(/^bellhop_connections (\d+)/m.exec(text)?.[1])
  }

  /** An agent, who watches. */
  async agent() {
    const ann = new Client({ url: this.bellhop.url, token: await this.bellhop.token('agent', 'ann', { name: 'Ann' }) }).start()
    await ann.watch()
    this.ann = ann
    return ann
  }

  /** A user by the SDK. */
  async user(id: string) {
    const c = new Client({ url: this.bellhop.url, token: await this.bellhop.token('user', id, { name: id }) }).start()
    await eventually(() => c.state.resumed, true)
    return c
  }

  /** The visitor opens the chat and asks, and the agent takes it. */
  async chat(p: Page) {
    const ann = this.ann!
    await bubble(p).click()
    await frame(p).getByRole('button', { name: 'Start' }).click()
    await eventually(() => ann.state.queues['default']?.waiting.length, 1)
    const { id } = await ann.grab(ann.state.queues['default']!.waiting[0]!.id)
    await frame(p).getByText('Ann is here for you').waitFor()
    return id
  }

  async stop() {
    this.ann?.close()
    this.http.closeAllConnections()
    await new Promise((done) => this.http.close(done))
    await this.bellhop.stop()
  }
}

/** The site, an agent of its chat, and the browser of a test file. */
export let site: Site
export let ann: Client
export let browser: Browser

/** Each test has a visitor of its own. */
export function useSite() {
  beforeAll(async () => {
    ;[site, browser] = await Promise.all([Site.start(), launch()])
    ann = await site.agent()
  })
  afterAll(async () => {
    await browser?.close()
    await site?.stop()
  })
  let n = 0
  beforeEach(() => {
    site.visitor = `vera-${++n}`
  })
}
