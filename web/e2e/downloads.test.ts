import { readFile } from 'node:fs/promises'
import type { Download, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { agent, browser, client, name, server, until, useWorld } from './world.js'

useWorld()

async function saved(page: Page, act: () => Promise<unknown>) {
  const [download] = await Promise.all([page.waitForEvent('download'), act()])
  return { name: download.suggestedFilename(), data: await bytesOf(download) }
}
const bytesOf = async (d: Download) => readFile(await d.path())

for (const zh of [true, false]) {
  it(`statistics and transcripts are for people to read: ${zh ? 'zh' : 'en'}`, async () => {
    const queue = name('q')
    await server.host('PUT', `/queues/${queue}`, { name: '=Sales 销售' })
    const ann = await agent(queue)
    const uma = await client('Uma 小满')
    const { id } = await uma.open({ queue, subject: '订单 1234' })
    await ann.grab(id)
    await Promise.all([ann.load(id), uma.load(id)])
    await uma.send(id, await uma.upload(new Blob(['hello']), '发票 1.txt'), { type: 'file' })
    await ann.send(id, 'ask the boss', { type: 'note' })
    await ann.end(id, { reason: '已解决', force: true })
    await until(() => uma.state.sessions[id]?.state === 'ended', 'the end')

    // The page's language is its own, whatever the browser's is.
    const boss = await Person.open(browser, { lang: zh ? 'en-GB' : 'zh-CN' })
    const { page } = boss
    await page.goto(await at(server, 'desk', 'supervisor', name('sue'), { name: 'Sue 苏', queues: [queue], hash: `lang=${zh ? 'zh' : 'en'}` }))
    await page.getByRole('button', { name: zh ? /统计$/ : /Figures$/ }).click()
    const table = await saved(page, () => page.getByRole('button', { name: 'CSV' }).click())
    expect(table.name).toBe('bellhop.csv')
    expect(table.data.subarray(0, 3).toString('hex')).toBe('efbbbf') // by this Excel knows UTF-8
    expect(table.data.toString()).toContain('Ann 安')

    await page.getByRole('button', { name: zh ? /全部会话$/ : /Sessions$/ }).click()
    const row = page.getByRole('row', { name: '=Sales 销售' }).first() // the newest
    const transcript = async (format: string) => {
      await row.getByRole('button', { name: zh ? /导\s*出/ : 'Export' }).click()
      const got = await saved(page, () => page.getByRole('menuitem', { name: format }).click())
      await page.getByRole('menuitem', { name: format }).waitFor({ state: 'hidden' })
      return got
    }
    const text = (await transcript('text')).data.toString()
    for (const line of zh
      ? ['Ann 安 接入会话', 'Ann 安（客服）（内部备注）: ask the boss', 'Uma 小满（用户）: [文件] 发票 1.txt http', 'Ann 安 结束了会话：已解决', '时间：Asia/Shanghai']
      : ['Ann 安 took the session', 'Ann 安 (agent) (note): ask the boss', 'Uma 小满 (user): [file] 发票 1.txt http', 'Ann 安 ended the session: 已解决', 'Times: Asia/Shanghai'])
      expect(text).toContain(line)

    // The page that was saved works by itself: its link opens what was sent, under its name.
    const html = await transcript('html')
    expect(html.name).toBe(`${id}.html`)
    const reader = await boss.tab()
    await reader.setContent(html.data.toString())
    expect(await reader.locator('li.note').innerText()).toContain('ask the boss')
    await reader.screenshot({ path: `../bin/screenshots/transcript-${zh ? 'zh' : 'en'}.png` })
    const file = await saved(reader, () => reader.locator('a').evaluate((a: HTMLAnchorElement) => { a.target = ''; a.click() }))
    expect([file.name, file.data.toString()]).toEqual(['发票 1.txt', 'hello'])
    boss.calm()
    await boss.close()
  })
}

it('a download has the name of what was sent', async () => {
  const queue = name('q')
  const ann = await agent(queue)
  const uma = await client('Uma')
  const { id } = await uma.open({ queue })
  await ann.grab(id)
  await uma.load(id)
  const person = await Person.open(browser)
  // What Windows has in no name becomes a _, and nothing else does.
  for (const sent of ['a b;c,d=e.txt', '订单 100%.txt', '100%25.txt', '🎉 party’s.txt', "it's (1)*!.txt", '5" pipe; "x".txt', 'a"b安.txt', 'ünïcödé.txt', 'a+b&c=d.txt']) {
    const form = `--b\r\nContent-Disposition: form-data; name="file"; filename*=UTF-8''${encodeURIComponent(sent).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}\r\n\r\nx\r\n--b--\r\n`
    const r = await fetch(`${server.url}/api/v1/files`, { method: 'POST', headers: { Authorization: 'Bearer dev', 'Content-Type': 'multipart/form-data; boundary=b' }, body: form })
    const { url } = (await r.json()) as { url: string }
    const link = await server.host<{ url: string }>('GET', `${url.slice('/api/v1'.length)}/link`)
    const got = await saved(person.page, () => person.page.goto(server.url + link.url).catch(() => {}))
    expect(got.name).toBe(sent.replaceAll(/["*]/g, '_'))
  }
  await person.close()
})
