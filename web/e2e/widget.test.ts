import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Client } from 'bellhop-client'
import { Server } from '../../clients/js/test/server.js'
import { launch, Person, type View } from './browser.js'

let server: Server
let browser: Browser
let shop: string
let ann: Client

beforeAll(async () => {
  // In memory there is a demo, whose shop is a page on another origin with a strict policy.
  ;[server, browser] = await Promise.all([Server.start({ BELLHOP_REDIS_URL: '' }), launch()])
  shop = ((await (await fetch(`${server.url}/demo/people`)).json()) as { shop: string }).shop
  ann = new Client({ url: server.url, token: await server.token('agent', 'ann', { name: 'Ann 安' }) }).start()
  await ann.watch()
})
afterAll(async () => {
  ann?.close()
  await browser?.close()
  await server?.stop()
})

const until = (ok: () => boolean, what: string) => expect.poll(ok, { message: what, timeout: 15_000, interval: 25 }).toBe(true)

async function visit(v: View) {
  const p = await Person.open(browser, v)
  const tokens: string[] = []
  p.page.on('request', (r) => {
    if (r.url().endsWith('/token')) tokens.push(r.url())
  })
  await p.page.goto(`${shop}?lang=${v.lang === 'zh-CN' ? 'zh' : 'en'}`)
  const bubble = p.page.locator('bellhop-widget .bubble')
  await bubble.waitFor()
  return { p, page: p.page, bubble, badge: p.page.locator('bellhop-widget .badge'), frame: p.page.frameLocator('bellhop-widget iframe'), tokens }
}

for (const v of [{ lang: 'zh-CN' }, { lang: 'en-GB', dark: true }, { lang: 'zh-CN', phone: true, dark: true }, { lang: 'en-GB', phone: true }] as View[]) {
  const zh = v.lang === 'zh-CN'
  const look = `${zh ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`chats on another origin, and counts while it is closed: ${look}`, async () => {
    const { p, page, bubble, badge, frame, tokens } = await visit(v)
    await page.waitForTimeout(300)
    expect(tokens).toEqual([]) // nobody has asked for anything yet
    await p.shot(`widget-${look}-closed`)

    await bubble.focus()
    await page.keyboard.press('Enter')
    expect(await bubble.getAttribute('aria-expanded')).toBe('true')
    // After the first consultation, the page shows that one first.
    const again = frame.getByRole('button', { name: zh ? '新的咨询' : 'New question' })
    const start = frame.getByRole('button', { name: zh ? '开始咨询' : 'Start' })
    await start.or(again).first().waitFor()
    if (await again.isVisible()) await again.click()
    await start.click()
    await until(() => (ann.state.queues['default']?.waiting.length ?? 0) > 0, 'the session')
    const s = await ann.grab(ann.state.queues['default']!.waiting[0]!.id)
    expect(s.subject).toBe(zh ? '店铺咨询' : 'Visit to the shop')
    expect(s.meta).toEqual({ page: zh ? '铜水壶' : 'Copper kettle', demo: 'shop' })
    await ann.send(s.id, '欢迎 welcome')
    await frame.getByText('欢迎 welcome').waitFor()
    await p.shot(`widget-${look}-open`)

    await frame.getByRole('button', { name: zh ? '关闭' : 'Close', exact: true }).click()
    await expect.poll(() => bubble.getAttribute('aria-expanded')).toBe('false')
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe('bellhop-widget')
    await ann.send(s.id, 'one')
    await ann.send(s.id, 'two')
    await expect.poll(() => badge.textContent()).toBe('2')
    expect(await bubble.getAttribute('aria-label')).toBe(zh ? '联系客服, 2条未读消息' : 'Chat with us, 2 unread')
    await p.shot(`widget-${look}-badge`)

    await bubble.click()
    await frame.getByText('two').waitFor()
    await expect.poll(() => badge.isHidden()).toBe(true)
    await page.evaluate(() => (window as unknown as { Bellhop: { close: () => void } }).Bellhop.close())
    expect(await page.locator('bellhop-widget iframe').count()).toBe(0)
    await ann.end(s.id, { force: true })
    p.calm()
    await p.close()
  })
}

it('hears nobody but its frame, closes by Escape, and leaves nothing behind', async () => {
  const { p, page, bubble, badge } = await visit({ lang: 'en-GB' })
  const globals = await page.evaluate(() => Object.keys(window).filter((k) => /bellhop/i.test(k)))
  expect(globals).toEqual(['Bellhop'])
  await bubble.click()
  await page.evaluate(() => {
    for (const m of [{ bellhop: 'unread', unread: 42 }, { bellhop: 'close' }, { bellhop: 'token?' }, null, 7]) postMessage(m, '*')
  })
  await page.waitForTimeout(300)
  expect(await page.locator('bellhop-widget iframe').count()).toBe(1)
  expect(await badge.isHidden()).toBe(true)
  await bubble.focus()
  await page.keyboard.press('Escape')
  expect(await page.locator('bellhop-widget iframe').count()).toBe(0)
  await page.evaluate(() => (window as unknown as { Bellhop: { destroy: () => void } }).Bellhop.destroy())
  expect(await page.locator('bellhop-widget').count()).toBe(0)
  p.calm()
  await p.close()
})

it('warns and nothing more where the site does it wrong', async () => {
  const { p, page } = await visit({ lang: 'en-GB' })
  const warnings: string[] = []
  page.on('console', (m) => {
    if (m.type() === 'warning') warnings.push(m.text())
  })
  await page.evaluate(() => {
    const { init } = (window as unknown as { Bellhop: { init: (o?: object) => void } }).Bellhop
    init()
    init({})
    init({ token: () => Promise.reject(new Error('no')), color: 'no colour', eager: true })
    init({ token: 'not a token!', lang: 'en' })
  })
  await expect.poll(() => warnings.length).toBeGreaterThanOrEqual(3)
  expect(await page.locator('bellhop-widget').count()).toBe(1)
  expect(p.complaints.filter((c) => !c.includes('401'))).toEqual([])
  await p.close()
})

for (const v of [{ lang: 'zh-CN' }, { lang: 'en-GB', phone: true, dark: true }] as View[]) {
  it(`offers everybody in one click: ${v.lang}`, async () => {
    const p = await Person.open(browser, v)
    await p.page.goto(server.url)
    await p.shot(`demo-${v.lang}-${v.phone ? 'phone' : 'desktop'}`)
    const links = await p.page.locator('.demo-role a').evaluateAll((all) => all.map((a) => a.getAttribute('href')))
    expect(links).toEqual(['chat#demo=user%3Alin', 'chat#demo=user%3Asam', 'chat#demo=user%3Amei', 'desk#demo=agent%3Aann', 'desk#demo=agent%3Abob', 'desk#demo=supervisor%3Asue'])
    const [tab] = await Promise.all([p.context.waitForEvent('page'), p.page.locator('.demo-role a').first().click()])
    await tab.getByRole('button', { name: v.lang === 'zh-CN' ? '开始咨询' : 'Start' }).waitFor()
    p.calm()
    await p.close()
  })
}
