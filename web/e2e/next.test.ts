import { logOf } from 'bellhop-client'
import { expect, it } from 'vitest'
import { at, Person, type View } from './browser.js'
import { agent, browser, client, name, server, until, user, useWorld, waiting } from './world.js'

useWorld()

for (const v of [{ lang: 'zh-CN' }, { lang: 'en-GB', dark: true }, { lang: 'zh-CN', phone: true, dark: true }, { lang: 'en-GB', phone: true }] as View[]) {
  const zh = v.lang === 'zh-CN'
  const look = `${zh ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`says what to do next, and fits: ${look}`, async () => {
    const queue = name('q')
    const p = await Person.open(browser, v)
    const { page } = p
    await page.goto(await at(server, 'desk', 'agent', name('ann'), { name: 'Ann 安', queues: [queue] }))
    await page.getByText(zh ? '有新订单时会立即显示并响铃提醒' : 'New orders show up here at once, with a sound.').waitFor()
    if (!v.phone) await page.getByText(zh ? /新订单会出现在左侧列表中/ : /New orders show in the list/).waitFor()
    await p.shot(`desk-${look}-empty`)
    await page.getByRole('button', { name: zh ? /会话$/ : /Chats$/ }).click()
    await page.getByText(zh ? '还没有会话，去大厅抢单吧' : 'No chats yet. Grab one in the hall.').waitFor()
    await p.shot(`desk-${look}-empty-chats`)

    // One font for all, which is none of emoji.
    expect(await page.locator('.desk-list h2').evaluate((el) => [getComputedStyle(el).fontFamily === getComputedStyle(document.body).fontFamily, /Emoji/.test(getComputedStyle(el).fontFamily)])).toEqual([true, false])

    // Nothing of the rail is out of reach.
    const rail = page.locator('.desk-rail')
    expect(await rail.evaluate((el) => [el.scrollWidth - el.clientWidth, el.scrollHeight - el.clientHeight])).toEqual([0, 0])
    for (const b of await rail.locator('button').all()) {
      const box = (await b.boundingBox())!
      expect(box.x >= 0 && box.x + box.width <= page.viewportSize()!.width, await b.innerText()).toBe(true)
    }
    if (v.phone) await page.getByRole('button', { name: zh ? '选项' : 'Options' }).click()
    await p.shot(`desk-${look}-options`)
    await page.getByRole(v.phone ? 'menuitem' : 'button', { name: zh ? '退出' : 'Sign out' }).click()
    await page.getByRole('heading', { name: zh ? 'Bellhop 客服工作台' : 'Bellhop Desk' }).waitFor()
    p.calm()
    await p.close()
  })
}

it('calls queues by their names, in both pages', async () => {
  const queue = name('q')
  const other = name('q')
  await server.host('PUT', `/queues/${queue}`, { name: `Sales ${queue} 销售` })
  await server.host('PUT', `/queues/${other}`, { name: 'Refunds 退款' })
  const ann = await agent(queue)
  const p = await user({ lang: 'zh-CN' }, queue)
  await p.page.getByRole('button', { name: '开始咨询' }).click()
  const id = await waiting(ann, queue)

  const d = await Person.open(browser)
  await d.page.goto(await at(server, 'desk', 'agent', name('bea'), { name: 'Bea', queues: [queue, other] }))
  await d.page.getByRole('row', { name: `Sales ${queue} 销售` }).waitFor()
  await d.page.getByRole('row', { name: 'Uma' }).getByRole('button', { name: 'Grab' }).click()
  await d.page.locator('.desk-chat header small', { hasText: 'Sales' }).waitFor()
  await d.page.getByRole('button', { name: 'Transfer', exact: true }).click()
  await d.page.getByRole('tab', { name: 'Queues' }).click()
  await d.page.getByRole('radio', { name: 'Refunds 退款' }).click()
  await d.page.locator('.ant-modal-footer .ant-btn-primary').click()
  await p.page.getByText('已转到「Refunds 退款」').waitFor()
  await d.page.locator('.SystemMessage', { hasText: 'Refunds 退款' }).waitFor()
  await until(() => logOf(ann.state, id).messages.length >= 0, 'the log')
  expect(await d.page.locator('body').innerText()).not.toMatch(new RegExp(`(^|[^ ])${other}($|[^ ])`, 'm'))
  p.calm()
  d.calm()
  await p.close()
  await d.close()
})

it('shows times in which nothing was as empty', async () => {
  const queue = name('q')
  await server.host('PUT', `/queues/${queue}`, { name: `Quiet ${queue}` })
  const p = await Person.open(browser)
  const { page } = p
  await page.goto(await at(server, 'desk', 'supervisor', name('sue'), { name: 'Sue', queues: [queue] }))
  await page.getByRole('button', { name: /Figures$/ }).click()
  await page.locator('.sup-bar').getByRole('combobox', { name: 'Queue' }).click()
  await page.locator('.ant-select-item', { hasText: `Quiet ${queue}` }).click()
  await until(async () => (await page.getByText('Nothing in this time').count()) === 4, 'four empty charts')
  await p.shot('sup-figures-empty')
  // One session: its time has something, all others have not.
  const uma = await client('Uma')
  await uma.open({ queue })
  await page.reload()
  await page.getByRole('button', { name: /Figures$/ }).click()
  await page.locator('.sup-bar').getByRole('combobox', { name: 'Queue' }).click()
  await page.locator('.ant-select-item', { hasText: `Quiet ${queue}` }).click()
  await until(async () => (await page.getByText('Nothing in this time').count()) === 3, 'three empty charts')
  await p.shot('sup-figures-one')
  p.calm()
  await p.close()
})
