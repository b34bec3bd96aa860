import { logOf } from 'bellhop-client'
import { expect, it } from 'vitest'
import { at, Person, type View } from './browser.js'
import { agent, browser, client, name, server, until, useWorld } from './world.js'

useWorld()

for (const v of [{ lang: 'zh-CN' }, { lang: 'en-GB', dark: true }, { lang: 'zh-CN', phone: true, dark: true }, { lang: 'en-GB', phone: true }] as View[]) {
  const zh = v.lang === 'zh-CN'
  const look = `${zh ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`watches, whispers, takes over, searches, counts and sets: ${look}`, async () => {
    const queue = name('q')
    const sales = `Sales 销售 ${queue.slice(2)}.` // as it is called wherever it is read
    await server.host('PUT', `/queues/${queue}`, { name: sales })
    const ann = await agent(queue)
    const uma = await client('Uma 小满')
    const { id } = await uma.open({ queue, subject: 'order 1234' })
    await ann.grab(id)
    await Promise.all([ann.load(id), uma.load(id)])
    const word = `退款${queue.replace('-', '')}`
    await uma.send(id, `我想${word} please`)
    await ann.send(id, 'Certainly 好的')

    const boss = await Person.open(browser, v)
    const { page } = boss
    await page.goto(await at(server, 'desk', 'supervisor', name('sue'), { name: 'Sue 苏', queues: [queue] }))
    const go = (z: string, e: string) => page.getByRole('button', { name: new RegExp(`${zh ? z : e}$`) }).click()
    const back = async () => {
      if (v.phone) await page.getByRole('button', { name: zh ? '返回' : 'Back' }).click()
    }

    await go('实时', 'Live')
    await page.getByRole('row', { name: sales }).first().waitFor()
    await page.getByText('Ann 安').first().waitFor()
    await boss.shot(`sup-${look}-live`)

    await go('统计', 'Figures')
    await page.locator('canvas').first().waitFor()
    await page.getByRole('row', { name: sales }).first().waitFor()
    await boss.shot(`sup-${look}-figures`)
    const csv = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    expect((await csv).suggestedFilename()).toBe('bellhop.csv')

    // Unseen: nobody sees it come, nothing is marked, and its whisper is a note.
    await go('全部会话', 'Sessions')
    await page.getByRole('row', { name: sales }).getByRole('button', { name: 'Uma 小满' }).click()
    await page.getByText('Certainly 好的').waitFor()
    await boss.shot(`sup-${look}-watching`)
    void uma.send(id, 'do you see me?')
    await page.getByText('do you see me?').waitFor()
    const whisper = page.getByRole('textbox', { name: zh ? '给客服的悄悄话' : 'Whisper to the agent' })
    await whisper.fill('be kind')
    await whisper.press('Enter')
    await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'note' && m.body === 'be kind'), 'the whisper')
    expect(logOf(uma.state, id).messages.some((m) => m.type === 'note')).toBe(false)
    expect(uma.state.sessions[id]!.assistants).toEqual([])

    await page.getByRole('button', { name: zh ? '更多' : 'More', exact: true }).first().click()
    await page.getByRole('menuitem', { name: zh ? '接管' : 'Take over' }).click()
    await until(() => uma.state.sessions[id]?.agent?.name === 'Sue 苏', 'the supervisor as the owner')
    await page.getByRole('button', { name: zh ? '更多' : 'More', exact: true }).first().click()
    await page.getByRole('menuitem', { name: zh ? '立即结束' : 'End at once' }).click()
    await until(() => uma.state.sessions[id]?.state === 'ended', 'the end')
    await back()

    await go('搜索', 'Search')
    const box = page.getByRole('searchbox', { name: zh ? '搜索全部消息' : 'Search all messages' })
    await until(async () => {
      await box.fill(word)
      await box.press('Enter')
      return page.locator('mark').first().waitFor({ timeout: 1500 }).then(() => true, () => false)
    }, 'what was archived')
    await boss.shot(`sup-${look}-search`)
    await page.locator('.sup-hits button').first().click()
    await page.locator('.bh-text', { hasText: 'Certainly 好的' }).waitFor()
    await back()

    await go('设置', 'Settings')
    await page.getByRole('button', { name: queue }).click()
    await page.getByRole('spinbutton', { name: new RegExp(zh ? '多久后可留言' : 'May leave a message after') }).fill('77')
    await boss.shot(`sup-${look}-settings`)
    await page.getByRole('button', { name: zh ? '保存' : 'Save' }).click()
    await until(async () => (await server.host<{ patience: number; name: string }>('GET', `/queues/${queue}`)).patience === 77, 'the setting')
    expect((await server.host<{ name: string }>('GET', `/queues/${queue}`)).name).toBe(sales)
    boss.calm()
    await boss.close()
  })
}
