import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { browser, client, name, server, until, useWorld } from './world.js'

useWorld()

for (const zh of [false, true]) {
  it(`stays away as chosen, over blips, reloads, a second desk and a dead server: ${zh ? 'zh' : 'en'}`, async () => {
    const queue = name('q')
    await server.host('PUT', `/queues/${queue}`, { routing: 'auto' })
    const p = await Person.open(browser, { lang: zh ? 'zh-CN' : 'en-GB', phone: zh })
    const said: string[] = []
    p.context.on('page', (page) => page.on('websocket', (ws) => ws.on('framesent', (f) => said.push(String(f.payload)))))
    const ann = name('ann')
    const address = await at(server, 'desk', 'agent', ann, { name: 'Ann', queues: [queue] })
    const chosen = () => said.join('\n').split('\n').filter((l) => l.includes('"cmd":"status"')).length
    const page = await p.tab()
    await page.goto(address)
    const status = page.locator('.desk-me .ant-select')
    await status.getByText(zh ? '在线' : 'Online').waitFor()
    await status.click()
    await page.locator('.ant-select-item').getByText(zh ? '离开' : 'Away').click()
    const server_ = async () => (await server.host<{ status: string }>('GET', `/agents/${ann}`)).status
    await until(async () => (await server_()) === 'away', 'away')
    const away = async (tab = page) => {
      await tab.locator('.desk-me .ant-select').getByText(zh ? '离开' : 'Away').waitFor()
      await tab.waitForTimeout(400)
      expect(await tab.locator('.desk-me .ant-select').innerText()).toContain(zh ? '离开' : 'Away')
      expect(await server_()).toBe('away')
    }
    await page.reload()
    await away()
    await server.kill()
    await page.getByText(zh ? /网络已断开|连接中/ : /No connection|Connecting/).waitFor()
    await server.run()
    await page.locator('.bh-notice').waitFor({ state: 'detached' })
    await away()
    const second = await p.tab()
    await second.goto(address)
    await away(second)
    await second.close()
    await away()

    const uma = await client('Uma')
    const { id } = await uma.open({ queue })
    await page.getByText(zh ? '1单等待中' : '1 waits').waitFor()
    await page.waitForTimeout(1500)
    expect(uma.state.sessions[id]!.agent).toBeNull()
    expect(chosen()).toBe(1)

    await status.click()
    await page.locator('.ant-select-item').getByText(zh ? '在线' : 'Online', { exact: true }).click()
    await until(() => uma.state.sessions[id]?.agent != null, 'the session')
    p.calm()
    await p.close()
  })
}
