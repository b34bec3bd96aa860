import { Client } from 'bellhop-client'
import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { agent, browser, client, name, server, until, useWorld } from './world.js'

useWorld()

async function boss(queues: string[]) {
  const c = new Client({ url: server.url, token: await server.token('supervisor', name('sue'), { name: 'Sue 苏', queues }) }).start()
  await until(() => c.state.resumed, 'the supervisor')
  return c
}

for (const zh of [false, true]) {
  it(`says who has taken, moved or ended a chat, wherever the agent is: ${zh ? 'zh' : 'en'}`, async () => {
    const queue = name('q')
    const other = name('q')
    await server.host('PUT', `/queues/${other}`, { name: 'Refunds 退款' })
    const sue = await boss([queue, other])
    const bea = await agent(queue, 'Bea 贝')
    const p = await Person.open(browser, { lang: zh ? 'zh-CN' : 'en-GB', phone: zh })
    const { page } = p
    await page.goto(await at(server, 'desk', 'agent', name('ann'), { name: 'Ann 安', queues: [queue] }))
    await page.getByRole('navigation').waitFor()
    const told = (text: string) => page.getByRole('alert').filter({ hasText: text })
    const heard = async (text: string) => {
      await told(text).waitFor()
      await told(text).locator('.ant-notification-notice-close').click()
    }

    /** A chat that the page's agent has grabbed; then it goes somewhere else. */
    const grabbed = async (user: string) => {
      const u = await client(user)
      const { id } = await u.open({ queue, subject: `about ${user}` })
      await page.getByRole('row', { name: user }).getByRole('button', { name: zh ? '抢单' : 'Grab' }).click()
      await until(() => u.state.sessions[id]?.agent?.name === 'Ann 安', 'the agent')
      await page.getByRole('heading', { name: user }).waitFor()
      if (zh) await page.getByRole('button', { name: '返回' }).click()
      await page.getByRole('button', { name: zh ? /抢单大厅$/ : /Hall$/ }).click()
      return { id, u }
    }

    const first = await grabbed('Uma')
    await sue.takeOver(first.id)
    await told(zh ? 'Sue 苏 接管了您与 Uma 的会话' : 'Sue 苏 has taken over your chat with Uma').waitFor()
    if (!zh) await p.shot('desk-lost-en-hall')
    else await p.shot('desk-lost-zh-phone-hall')
    await page.getByRole('button', { name: zh ? '查看' : 'Look' }).click()
    await page.getByRole('heading', { name: 'Uma' }).waitFor()
    if (zh) await page.getByRole('button', { name: '返回' }).click()
    await page.getByRole('button', { name: zh ? /抢单大厅$/ : /Hall$/ }).click()

    const second = await grabbed('Udo')
    await sue.transfer(second.id, { queue: other })
    await heard(zh ? 'Sue 苏 将您与 Udo 的会话转到了「Refunds 退款」' : 'Sue 苏 has put your chat with Udo into the queue Refunds 退款')

    const third = await grabbed('Una')
    await sue.transfer(third.id, { agent: bea.state.me!.id })
    await until(() => bea.state.offers.length > 0, 'the offer')
    await bea.accept(third.id)
    await heard(zh ? 'Sue 苏 将您与 Una 的会话转给了 Bea 贝' : 'Sue 苏 has handed your chat with Una over to Bea 贝')

    const fourth = await grabbed('Ugo')
    await sue.end(fourth.id, { force: true })
    await heard(zh ? 'Sue 苏 结束了您与 Ugo 的会话' : 'Sue 苏 has ended your chat with Ugo')

    const fifth = await grabbed('Ute')
    await fifth.u.end(fifth.id)
    await heard(zh ? 'Ute 结束了会话' : 'Ute has ended the chat')

    // What one does oneself, and what one looks at, needs no word.
    const sixth = await grabbed('Uli')
    await page.getByRole('button', { name: zh ? /会话$/ : /Chats$/ }).click()
    await page.getByRole('button', { name: /Uli/ }).click()
    await sue.takeOver(sixth.id)
    await page.getByText(zh ? 'Sue 苏 接手为您服务' : 'Sue 苏 takes over').waitFor()
    await page.waitForTimeout(500)
    expect(await told('Uli').count()).toBe(0)
    if (zh) await page.getByRole('button', { name: '返回' }).click()
    await page.getByRole('button', { name: zh ? /抢单大厅$/ : /Hall$/ }).click()

    // While the connection was away.
    const seventh = await grabbed('Ulf')
    await server.kill()
    await server.run()
    await until(() => sue.state.resumed, 'the supervisor')
    await sue.takeOver(seventh.id)
    await told(zh ? 'Sue 苏 接管了您与 Ulf 的会话' : 'Sue 苏 has taken over your chat with Ulf').or(told(zh ? 'Ulf 现由 Sue 苏 服务' : 'Sue 苏 serves Ulf now')).first().waitFor()
    p.calm()
    sue.close()
    await p.close()
  })
}
