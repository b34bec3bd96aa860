import { logOf } from 'bellhop-client'
import { expect, it } from 'vitest'
import { at, Person, type View } from './browser.js'
import { browser, client, name, server, until, useWorld } from './world.js'

useWorld()

interface Words {
  grab: string
  write: string
  transfer: string
  accept: string
  end: string
  ask: string
  chats: string
  hall: string
}
const zh: Words = { grab: '抢单', write: '输入消息，/ 选择快捷回复', transfer: '转接', accept: '接受', end: '结束', ask: '询问用户', chats: '会话', hall: '抢单大厅' }
const en: Words = { grab: 'Grab', write: 'Write, or / for canned replies', transfer: 'Transfer', accept: 'Accept', end: 'End', ask: 'Ask the user', chats: 'Chats', hall: 'Hall' }

async function agent(v: View, queue: string, shown: string, id = name('ann'), role = 'agent') {
  const p = await Person.open(browser, v)
  await p.page.goto(await at(server, 'desk', role, id, { name: shown, queues: [queue] }))
  await p.page.getByRole('navigation').waitFor()
  return { ...p, p, id, page: p.page }
}

for (const v of [{ lang: 'zh-CN' }, { lang: 'en-GB', dark: true }, { lang: 'zh-CN', phone: true, dark: true }, { lang: 'en-GB', phone: true }] as View[]) {
  const w = v.lang === 'zh-CN' ? zh : en
  const look = `${v.lang === 'zh-CN' ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`grabs, answers, hands over and ends: ${look}`, async () => {
    const queue = name('q')
    const ann = await agent(v, queue, 'Ann 安')
    const uma = await client('Uma 小满')
    const { id } = await uma.open({ queue, subject: v.lang === 'zh-CN' ? '订单 1234' : 'order 1234', meta: { order: '1234', vip: true } })
    await uma.load(id)
    void uma.send(id, v.lang === 'zh-CN' ? '你好，包裹到哪里了？' : 'Hello, where is my parcel?')
    await ann.page.getByText('1234').first().waitFor()
    await ann.p.shot(`desk-${look}-hall`)
    await ann.page.keyboard.press('g')
    await until(() => uma.state.sessions[id]?.agent?.name === 'Ann 安', 'the agent')
    const write = ann.page.getByRole('textbox', { name: w.write })
    await write.waitFor()
    expect(await ann.page.locator('.bh-row.other .bh-text').first().innerText()).toContain('1234') // what the user came with
    await write.fill('Good morning 您好')
    await write.press('Enter')
    await until(() => logOf(uma.state, id).messages.some((m) => m.body === 'Good morning 您好'), 'the answer')
    await until(() => Object.values(uma.state.marks[id] ?? {}).some((seq) => seq > 0), 'that the agent has read')

    // A badge for what comes while one looks elsewhere; it is gone once one has looked.
    if (v.phone) await ann.page.getByRole('button', { name: v.lang === 'zh-CN' ? '返回' : 'Back' }).click()
    await ann.page.getByRole('button', { name: new RegExp(`${w.hall}$`) }).click()
    void uma.send(id, 'one')
    void uma.send(id, 'two')
    await until(async () => (await ann.page.title()).startsWith('(2)'), 'the count in the title')
    await ann.page.getByRole('button', { name: new RegExp(`${w.chats}$`) }).click()
    await ann.p.shot(`desk-${look}-list`)
    await ann.page.getByRole('button', { name: /Uma 小满/ }).click()
    await until(async () => !(await ann.page.title()).startsWith('('), 'no count')

    // A canned reply, filled in.
    await server.host('PUT', `/canned/${queue}-hi`, { queue, shortcut: 'hi', title: 'Hello', text: 'Hello {{user.name}}, order {{meta.order}}' })
    await write.fill('/h')
    await ann.page.getByRole('option', { name: /Hello/ }).waitFor()
    await write.press('Enter')
    await until(async () => (await write.inputValue()) === 'Hello Uma 小满, order 1234', 'the canned reply')
    await write.press('Enter')
    await until(() => logOf(uma.state, id).messages.at(-1)?.body === 'Hello Uma 小满, order 1234', 'the canned reply, sent')
    await ann.p.shot(`desk-${look}-chat`)

    // Handed over, and accepted.
    const bea = await agent(v, queue, 'Bea 贝')
    await ann.page.getByRole('button', { name: w.transfer, exact: true }).click()
    await ann.page.getByRole('radio', { name: /Bea 贝/ }).click()
    await ann.p.shot(`desk-${look}-transfer`)
    await ann.page.locator('.ant-modal-footer .ant-btn-primary').click()
    await bea.page.getByRole('alertdialog').waitFor()
    await bea.p.shot(`desk-${look}-offer`)
    await bea.page.getByRole('button', { name: w.accept }).click()
    await until(() => uma.state.sessions[id]?.agent?.name === 'Bea 贝', 'the second agent')
    await bea.page.locator('.bh-text', { hasText: 'Hello Uma 小满, order 1234' }).waitFor()

    await bea.page.getByRole('button', { name: w.end, exact: true }).click()
    await bea.page.getByRole('button', { name: w.ask }).click()
    await until(() => uma.state.sessions[id]?.state === 'ending', 'the question')
    await uma.end(id)
    await uma.rate(id, 5, 'great')
    await bea.page.getByText('★★★★★').first().waitFor()
    ann.p.calm()
    bea.p.calm()
    await ann.p.close()
    await bea.p.close()
  })
}

it('gives an order that two click at once to one of them, and tells the other', async () => {
  const queue = name('q')
  const [ann, bea] = [await agent({}, queue, 'Ann'), await agent({}, queue, 'Bea')]
  const uma = await client('Uma')
  let lost = 0
  for (let i = 0; i < 20 && lost < 3; i++) {
    const { id } = await uma.open({ queue, subject: `order ${i}.` })
    const both = await Promise.all([ann, bea].map(({ page }) => page.getByRole('row', { name: `order ${i}.` }).getByRole('button', { name: 'Grab' }).elementHandle()))
    await Promise.all(both.map((b) => b?.evaluate((el) => (el as HTMLElement).click())))
    await until(() => uma.state.sessions[id]?.agent != null, 'an owner')
    const loser = uma.state.sessions[id]!.agent!.id === ann.id ? bea : ann
    // Who hears of the winner before it clicks has not lost a race.
    const told = loser.page.getByText(`${loser === ann ? bea.id : ann.id} was faster.`).last()
    if (await told.waitFor({ timeout: 2000 }).then(() => true, () => false)) lost++
    await uma.end(id)
    for (const { page } of [ann, bea]) await page.getByRole('button', { name: /Hall$/ }).click()
  }
  expect(lost).toBe(3)
  await ann.p.close()
  await bea.p.close()
})

it('is worked by keyboard alone, and loses no draft', async () => {
  const queue = name('q')
  const ann = await agent({}, queue, 'Ann')
  const { page } = ann
  const users = [await client('First'), await client('Second')]
  for (const u of users) await u.open({ queue, subject: u.state.me!.name })
  await page.getByText('2 wait').waitFor()
  for (const who of ['First', 'Second']) {
    await page.keyboard.press('Alt+1')
    await page.getByRole('row', { name: who }).waitFor()
    await page.keyboard.press('g')
    await page.getByRole('heading', { name: who }).waitFor()
    await page.getByRole('textbox', { name: en.write }).focus()
    await page.keyboard.type(`draft for ${who}`)
  }
  await page.keyboard.press('Alt+ArrowDown')
  await page.getByRole('heading', { name: 'First' }).waitFor()
  const write = page.getByRole('textbox', { name: en.write })
  expect(await write.inputValue()).toBe('draft for First')
  await write.focus()
  await page.keyboard.press('Enter')
  await until(() => Object.values(users[0]!.state.logs)[0]?.messages.some((m) => m.body === 'draft for First') ?? false, 'the first message')
  await page.keyboard.press('Alt+ArrowDown')
  await page.getByRole('heading', { name: 'Second' }).waitFor()
  expect(await write.inputValue()).toBe('draft for Second')
  // Every control is reached by Tab, and says what it is.
  const reached = new Set<string>()
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab')
    reached.add(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''))
  }
  for (const label of ['Transfer', 'End', 'More', 'About the user', 'Send', 'Emoji', 'Write a note that users never see']) expect([...reached]).toContain(label)
  ann.p.calm()
  await ann.p.close()
})
