import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { browser, hold, name, press, server, until, user, useWorld } from './world.js'

useWorld()

async function desk(queue: string, shown: string) {
  const p = await Person.open(browser, { lang: 'zh-CN' })
  await p.page.goto(await at(server, 'desk', 'agent', name('agent'), { name: shown, queues: [queue] }))
  await p.page.getByRole('heading', { name: '抢单大厅' }).waitFor()
  return p
}

const write = async (page: Page, text: string) => {
  const box = page.locator('.bh-input textarea')
  await box.fill(text)
  await box.press('Enter')
}
const shown = (page: Page) => page.locator('.bh-text').allTextContents()

async function speak(page: Page) {
  await page.getByRole('button', { name: '语音消息' }).click()
  await press(page)
  await hold(page, 1200)
  await page.getByRole('button', { name: '键盘' }).click()
}

it('lets a user and two agents talk, page to page', async () => {
  const queue = name('q')
  const ann = await desk(queue, 'Ann 安')
  const bea = await desk(queue, 'Bea 贝')
  const uma = await user({ lang: 'zh-CN', phone: true }, queue)
  await uma.page.getByRole('textbox').fill('订单 1234')
  await uma.page.getByRole('button', { name: '开始咨询' }).click()

  // Both see the order; one has it.
  await Promise.all([ann, bea].map((a) => a.page.getByRole('row', { name: /订单 1234/ }).waitFor()))
  await ann.page.getByRole('row', { name: /订单 1234/ }).getByRole('button', { name: '抢单' }).click()
  await bea.page.getByRole('row', { name: /订单 1234/ }).waitFor({ state: 'detached' })
  await uma.page.getByText('Ann 安 为您服务').waitFor()

  // Words, a picture and a voice each way; what was spoken plays.
  const picture = { name: 'parcel.png', mimeType: 'image/png', buffer: await ann.page.screenshot() }
  for (const [from, to, words] of [[uma.page, ann.page, '你好'], [ann.page, uma.page, '您好']] as const) {
    await write(from, words)
    await to.locator('.bh-row.other .bh-text', { hasText: words }).waitFor()
    await from.locator('.bh-input input[type=file]').setInputFiles(picture)
    await to.locator('.bh-row.other .bh-picture img').waitFor()
    await speak(from)
    const voice = to.locator('.bh-row.other .bh-voice')
    await voice.waitFor()
    await voice.click()
    await to.locator('.bh-voice.playing').waitFor()
  }

  // Handed over with a note, and accepted; the badge counts what comes meanwhile, and clears.
  await ann.page.getByRole('button', { name: '转接', exact: true }).click()
  await ann.page.getByRole('radio', { name: /Bea 贝/ }).click()
  await ann.page.getByRole('textbox', { name: '给接手同事的备注' }).fill('VIP')
  await ann.page.locator('.ant-modal-footer .ant-btn-primary').click()
  await bea.page.getByRole('alertdialog').getByText('VIP').waitFor()
  await bea.page.getByRole('button', { name: '接受' }).click()
  await uma.page.getByText('Bea 贝 接手为您服务').waitFor()
  await bea.page.getByRole('button', { name: /抢单大厅$/ }).click()
  await write(uma.page, '还在吗？')
  await until(async () => /^\(\d+\)/.test(await bea.page.title()), 'the count in the title')
  await bea.page.getByRole('button', { name: /会话$/ }).click()
  await bea.page.getByRole('button', { name: /Uma 小满/ }).click()
  await until(async () => !(await bea.page.title()).startsWith('('), 'no count')
  await uma.page.getByText('已读', { exact: true }).waitFor()

  // The server is killed while both type: nothing is lost, nothing doubled, and the pages say what happens.
  const before = (await shown(uma.page)).length
  for (let i = 0; i < 12; i++) {
    await write(uma.page, `用户 ${i}`)
    await write(bea.page, `客服 ${i}`)
    if (i === 3) await server.kill()
    if (i === 6) await Promise.all([uma, bea].map((p) => p.page.getByText(/网络已断开|连接中/).first().waitFor()))
    if (i === 8) await server.run()
  }
  await Promise.all([uma, bea].map((p) => p.page.getByText(/网络已断开|连接中/).first().waitFor({ state: 'detached' })))
  await Promise.all([uma, bea].map((p) => p.page.locator('.bh-row .bh-spinner').first().waitFor({ state: 'detached' })))
  const end = async (p: Person) => (await shown(p.page)).slice(-8)
  await until(async () => (await end(uma)).join() === (await end(bea)).join() && (await end(uma)).length === 8, 'the same on both pages')
  await uma.page.reload()
  await uma.page.locator('.bh-text', { hasText: '客服 11' }).waitFor()
  const all = new Set<string>()
  for (let i = 0; i < 40; i++) {
    const view = await shown(uma.page)
    expect(new Set(view).size).toBe(view.length)
    for (const s of view) all.add(s)
    await uma.page.locator('.bh-scroll').evaluate((el) => el.scrollBy(0, -300))
    await uma.page.waitForTimeout(30)
  }
  for (let i = 0; i < 12; i++) expect([...all]).toEqual(expect.arrayContaining([`用户 ${i}`, `客服 ${i}`]))
  expect(before).toBeGreaterThan(0)

  await bea.page.getByRole('button', { name: '结束', exact: true }).click()
  await bea.page.getByRole('button', { name: '询问用户' }).click()
  await uma.page.getByRole('button', { name: '已解决' }).click()
  await uma.page.getByRole('button', { name: '4星' }).click()
  await uma.page.getByRole('button', { name: '提交评价' }).click()
  await bea.page.getByText('★★★★').first().waitFor()
  for (const p of [ann, bea, uma]) {
    p.calm()
    await p.close()
  }
})
