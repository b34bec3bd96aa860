import { Client } from 'bellhop-client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Server } from '../../clients/js/test/server.js'
import { launch, Person } from './browser.js'
import { Nginx } from './nginx.js'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

/** Notes what pages ask for outside the path, and what they do not get. */
function strays(page: Page, own: string) {
  const found: string[] = []
  const look = (url: string) => {
    if (/^(https?|wss?):/.test(url) && !url.replace(/^ws/, 'http').startsWith(own)) found.push(url)
  }
  page.on('request', (r) => look(r.url()))
  page.on('websocket', (w) => look(w.url()))
  page.on('response', (r) => {
    if (r.status() >= 400) found.push(`${r.status()} ${r.url()}`)
  })
  return found
}

const loaded = (page: Page, selector: string) =>
  expect.poll(() => page.locator(selector).first().evaluate((i) => (i as HTMLImageElement).naturalWidth), { timeout: 15_000 }).toBeGreaterThan(0)

// A path that is called as one of Bellhop's own pages, too.
for (const { strips, path } of [{ strips: false, path: '/support' }, { strips: true, path: '/support' }, { strips: false, path: '/chat' }, { strips: true, path: '/a.b/~c' }]) {
  describe(`below ${path}, ${strips ? 'taken off' : 'passed on'} by nginx`, () => {
    let server: Server
    let nginx: Nginx
    let base: string
    const token = (role: string, id: string, more: object = {}) => server.token(role, id, more)

    beforeAll(async () => {
      server = await Server.start({ BELLHOP_BASE_PATH: path, BELLHOP_SEND_RATE: '0' })
      const shop = (await token('user', 'vera', { name: 'Vera' }))
      nginx = await Nginx.start(server.url, strips, path, {
        'shop.html': `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><h1>Shop</h1><script src="${path}/widget.js" defer data-token="${shop}" data-queue="shop"></script>`,
        'init.html': `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><h1>Shop</h1><script src="${path}/widget.js"></script>
          <script>Bellhop.init({ token: '${shop}', queue: 'shop', server: location.origin + '${path}/' })</script>`,
      })
      base = nginx.url + path
    })
    afterAll(async () => {
      await nginx?.stop()
      await server?.stop()
    })

    it('lets a user and an agent talk, with pictures, page to page', async () => {
      const [ann, uma] = [await Person.open(browser), await Person.open(browser, { phone: true })]
      const seen = [strays(ann.page, `${base}/`), strays(uma.page, `${base}/`)]
      await ann.page.goto(`${base}/desk#token=${await token('supervisor', 'sue', { name: 'Sue', queues: ['q'] })}`)
      await uma.page.goto(`${base}/chat#token=${await token('user', 'uma', { name: 'Uma' })}&queue=q`)
      await uma.page.getByRole('textbox').fill('Order 1')
      await uma.page.getByRole('button', { name: 'Start' }).click()
      await ann.page.getByRole('row', { name: /Order 1/ }).getByRole('button', { name: 'Grab' }).click()
      const picture = { name: 'parcel.png', mimeType: 'image/png', buffer: await ann.page.screenshot() }
      for (const [from, to] of [[uma.page, ann.page], [ann.page, uma.page]] as const) {
        await from.locator('.bh-input input[type=file]').setInputFiles(picture)
        await loaded(to, '.bh-row.other .bh-picture img')
        await loaded(from, '.bh-row.own .bh-picture img')
      }
      await uma.page.reload()
      await loaded(uma.page, '.bh-row.other .bh-picture img')
      // What is loaded later: the supervisor's part, in scripts of its own.
      await ann.page.getByRole('button', { name: 'Figures' }).click()
      await ann.page.locator('canvas').first().waitFor()
      expect(seen.flat()).toEqual([])
      ann.calm()
      uma.calm()
      await Promise.all([ann.close(), uma.close()])
    })

    it('chats in the widget of the site around it', async () => {
      for (const page of ['shop.html', 'init.html']) {
        const p = await Person.open(browser)
        const seen = strays(p.page, `${base}/`)
        await p.page.goto(`${nginx.url}/${page}`)
        const bubble = p.page.locator('bellhop-widget .bubble')
        await bubble.click()
        const frame = p.page.frameLocator('bellhop-widget iframe')
        await frame.getByRole('button', { name: 'Start' }).or(frame.getByRole('button', { name: 'New question' })).first().waitFor()
        await frame.getByRole('button', { name: 'Close', exact: true }).click()
        await p.page.locator('bellhop-widget iframe').waitFor({ state: 'detached' })
        expect(seen).toEqual([`${nginx.url}/${page}`])
        p.calm()
        await p.close()
      }
    })

    it('makes links that lead there, and takes them back', async () => {
      const u = new Client({ url: `${base}/`, token: await token('user', 'una') }).start()
      const a = new Client({ url: base, token: await token('agent', 'abe', { queues: ['files'] }) }).start()
      try {
        const s = await u.open({ queue: 'files' })
        await a.grab(s.id)
        const f = await u.upload(new Blob(['a text']), 'a.txt')
        expect(f.url).toMatch(new RegExp(`^${path}/api/v1/files/[^/]+$`))
        for (const url of [f.url, f.url.slice(path.length)]) await u.send(s.id, { ...f, url }, { type: 'file' })
        const { messages } = await a.request<{ messages: { type: string; body: { url: string } }[] }>(`/sessions/${s.id}/messages`)
        expect(messages.filter((m) => m.type === 'file').map((m) => m.body.url)).toEqual([f.url, f.url])
        const link = await a.request<{ url: string }>(`${f.url.slice(path.length + '/api/v1'.length)}/link`)
        expect(await (await fetch(new URL(link.url, nginx.url))).text()).toBe('a text')
      } finally {
        u.close()
        a.close()
      }
    })

    it('leads to its pages, and describes itself', async () => {
      const to = async (p: string) => {
        const r = await fetch(nginx.url + p, { redirect: 'manual' })
        return [r.status, r.headers.get('location')?.replace(nginx.url, '') ?? null]
      }
      expect((await to(path))[1]).toBe(`${path}/`)
      for (const p of ['/readyz', '/healthz', '/openapi.yaml', '/widget.js', '/docs']) expect(await to(path + p), p).toEqual([200, null])
      expect(await to(`${path}/metrics`)).toEqual([404, null])
      expect(await to('/desk')).toEqual([404, null])
      expect(await (await fetch(`${base}/openapi.yaml`)).text()).toContain(`\nservers:\n  - url: "${path}"\n`)
      for (const p of ['/healthz', '/readyz', '/metrics']) expect((await fetch(server.url + p)).status).toBe(200) // probes ask the node itself
    })

    it('tries calls in the reference', async () => {
      const p = await Person.open(browser)
      const seen = strays(p.page, `${base}/`)
      await p.page.goto(`${base}/docs`)
      await p.page.locator('#operations-node-health .opblock-summary-control').click()
      await p.page.getByRole('button', { name: 'Execute' }).click()
      await p.page.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor()
      expect(await p.page.locator('.request-url pre').textContent()).toBe(`${base}/healthz`)
      expect(seen).toEqual([])
      p.calm()
      await p.close()
    })
  })
}

describe('the demo below a path', () => {
  let server: Server
  beforeAll(async () => {
    server = await Server.start({ BELLHOP_REDIS_URL: '', BELLHOP_BASE_PATH: '/chat/' })
  })
  afterAll(() => server?.stop())

  it('offers people, the reference and the shop', async () => {
    const p = await Person.open(browser)
    const seen = strays(p.page, `${server.url}/chat/`)
    await p.page.goto(`${server.url}/chat/`)
    const [tab] = await Promise.all([p.context.waitForEvent('page'), p.page.locator('.demo-role a').first().click()])
    await tab.getByRole('button', { name: 'Start' }).waitFor()
    expect(tab.url()).toMatch(`${server.url}/chat/chat`)
    await p.page.getByRole('link', { name: 'API reference' }).click()
    await p.page.getByRole('heading', { name: /Bellhop HTTP API/ }).waitFor()
    expect(seen).toEqual([])

    const { shop } = (await (await fetch(`${server.url}/chat/demo/people`)).json()) as { shop: string }
    await p.page.goto(`${shop}?lang=en`)
    await p.page.locator('bellhop-widget .bubble').click()
    await p.page.frameLocator('bellhop-widget iframe').getByRole('button', { name: 'Start' }).waitFor()
    p.calm()
    await p.close()
  })
})
