import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Browser } from 'playwright-core'
import { Server } from '../../clients/js/test/server.js'
import { launch, Person, type View } from './browser.js'

let server: Server
let browser: Browser
beforeAll(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const shots = join(import.meta.dirname, '../../bin/screenshots')

for (const v of [{}, { dark: true, phone: true }] as View[]) {
  it(`tries calls with a token, and asks nobody else for anything: ${v.phone ? 'phone, dark' : 'desktop, light'}`, async () => {
    const p = await Person.open(browser, v)
    const { page } = p
    const asked: string[] = []
    page.on('request', (r) => {
      if (!r.url().startsWith(`${server.url}/`) && !r.url().startsWith('data:')) asked.push(r.url())
    })
    const answer = await page.goto(`${server.url}/docs`)
    const policy = answer!.headers()['content-security-policy']!
    expect(policy).toContain("script-src 'self';")
    expect(policy).not.toContain('unsafe')
    await page.getByRole('heading', { name: /Bellhop HTTP API/ }).waitFor()
    const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor === 'rgba(0, 0, 0, 0)' && !document.documentElement.classList.contains('dark-mode'))
    expect(light).toBe(!v.dark)

    const call = async (operation: string, fill?: string) => {
      const block = page.locator(`[id="operations-${operation}"]`)
      await block.locator('.opblock-summary-control').click()
      if (fill) await block.locator('.body-param textarea').fill(fill)
      await block.getByRole('button', { name: 'Execute' }).click()
      await block.locator('.live-responses-table .response').waitFor()
      return { status: (await block.locator('.live-responses-table .response-col_status').last().innerText()).split('\n')[0], text: await block.locator('.live-responses-table .highlight-code pre').first().innerText() }
    }
    const authorize = async (token: string) => {
      await page.locator('.auth-wrapper .authorize').click()
      await page.locator('.modal-ux .auth-container').waitFor()
      const again = page.locator('.modal-ux button', { hasText: 'Logout' })
      if (await again.isVisible()) await again.click()
      await page.locator('.modal-ux input').fill(token)
      await page.locator('.modal-ux .btn.authorize').click()
      await page.locator('.modal-ux .btn-done').click()
    }
    expect((await call('agents-listAgents')).status).toBe('401')
    await authorize('dev')
    const issued = await call('tokens-issueToken', JSON.stringify({ id: 'uma', role: 'user' }))
    expect(issued.status).toBe('200')
    const { token } = JSON.parse(issued.text) as { token: string }
    await authorize(token)
    expect((await call('sessions-openSession', JSON.stringify({ queue: 'q', subject: '订单 1' }))).text).toContain('订单 1')
    mkdirSync(shots, { recursive: true })
    await page.screenshot({ path: join(shots, `docs-${v.phone ? 'phone-dark' : 'desktop-light'}.png`) })
    expect(await page.evaluate(() => [localStorage, sessionStorage].map((s) => Object.keys(s).length))).toEqual([0, 0]) // the token is kept nowhere
    expect(asked).toEqual([])
    p.calm()
    await p.close()
  })
}
