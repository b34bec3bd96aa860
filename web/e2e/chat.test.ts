import { logOf, type FileBody } from 'bellhop-client'
import { expect, it } from 'vitest'
import type { Person, View } from './browser.js'
import { agent, hold, name, press, until, user, useWorld, waiting } from './world.js'

useWorld()

for (const v of [{ lang: 'zh-CN', phone: true }, { lang: 'en-GB', phone: true, dark: true }, { lang: 'zh-CN', dark: true }, { lang: 'en-GB' }] as View[]) {
  const look = `${v.lang === 'zh-CN' ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`is a whole consultation: ${look}`, async () => {
    const queue = name('q')
    const zh = v.lang === 'zh-CN'
    const ann = await agent(queue)
    const p = await user(v, queue)
    const { page } = p
    await page.getByRole('textbox').fill(zh ? '订单 1234' : 'order 1234')
    await p.shot(`chat-${look}-start`)
    await page.getByRole('button', { name: zh ? '开始咨询' : 'Start' }).click()
    await page.getByText(zh ? '您排在第1位' : 'You are number 1 in line').waitFor()
    expect(await page.locator('.bh-row.own .bh-text').first().innerText()).toBe(zh ? '订单 1234' : 'order 1234') // what one came with
    await p.shot(`chat-${look}-waiting`)
    const id = await waiting(ann, queue)
    expect(ann.state.queues[queue]!.waiting[0]!.subject).toContain('1234')
    await ann.grab(id)
    await ann.load(id)
    await page.getByText(zh ? 'Ann 安 为您服务' : 'Ann 安 is here for you').waitFor()

    const write = page.getByRole('textbox')
    await write.fill(zh ? '你好，我的包裹到哪里了？😀' : 'Hello, where is my parcel? 😀')
    await write.press('Enter')
    await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'text'), 'the text')
    ann.read(id)
    await page.getByText(zh ? '已读' : 'Read', { exact: true }).waitFor()
    void ann.send(id, zh ? '您好，正在为您查询，请稍等。详情见 https://example.com/p/1' : 'Good morning! Let me look: https://example.com/p/1')
    await page.getByRole('link', { name: 'https://example.com/p/1' }).waitFor()

    // A picture, picked; a voice message, held.
    await page.locator('input[type=file]').setInputFiles({ name: 'parcel.png', mimeType: 'image/png', buffer: await picture(p) })
    await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'image'), 'the picture')
    await page.locator('.bh-picture img').waitFor()
    await page.getByRole('button', { name: zh ? '语音消息' : 'Voice message' }).click()
    await page.getByRole('button', { name: zh ? '按住 说话' : 'Hold to talk' }).waitFor()
    await press(page)
    await hold(page, 1200)
    await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'voice'), 'the voice')
    const voice = logOf(ann.state, id).messages.find((m) => m.type === 'voice')!
    expect((voice.body as { duration: number }).duration).toBeGreaterThan(0.9)
    await page.getByRole('button', { name: zh ? '键盘' : 'Keyboard' }).click()

    // The other way: from the agent, and pasted.
    const parcel = new Blob([new Uint8Array(await picture(p))], { type: 'image/png' })
    await ann.send(id, await ann.upload(parcel, 'yours.png'), { type: 'image' })
    await page.locator('.bh-row.other .bh-picture img').waitFor()
    await ann.send(id, voice.body, { type: 'voice' }) // who may read a file may send it on
    await page.locator('.bh-row.other .bh-voice').waitFor()
    await write.evaluate((el) => {
      const data = new DataTransfer()
      data.items.add(new File(['pasted'], 'pasted.txt', { type: 'text/plain' }))
      el.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
    })
    await page.getByRole('button', { name: zh ? '发送（1）' : 'Send 1' }).click()
    await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'file' && (m.body as FileBody).name === 'pasted.txt'), 'what was pasted')

    // Quoting, and taking back.
    const last = page.locator('.bh-row.other').last()
    await last.hover()
    await last.getByRole('button', { name: zh ? '消息操作' : 'What to do with this message' }).click()
    await page.getByRole('menuitem', { name: zh ? '引用' : 'Reply' }).click()
    await write.fill(zh ? '谢谢！' : 'Thanks!')
    await write.press('Enter')
    await until(() => logOf(ann.state, id).messages.at(-1)?.replyTo !== undefined, 'the quote')
    await write.fill('oops')
    await write.press('Enter')
    await page.getByText('oops').waitFor()
    await page.locator('.bh-row.own').last().hover()
    await page.locator('.bh-row.own').last().getByRole('button', { name: zh ? '消息操作' : 'What to do with this message' }).click()
    await page.getByRole('menuitem', { name: zh ? '撤回' : 'Recall' }).click()
    await page.getByText(zh ? '你撤回了一条消息' : 'You recalled a message').waitFor()
    await p.shot(`chat-${look}-talking`)

    // The end, confirmed; stars; going on.
    await ann.end(id)
    await page.getByRole('button', { name: zh ? '已解决' : 'Yes, it is' }).click()
    await page.getByRole('button', { name: zh ? '5星' : '5 stars' }).click()
    await page.getByRole('button', { name: zh ? '提交评价' : 'Send rating' }).click()
    await until(() => ann.state.sessions[id]?.rating?.score === 5, 'the rating')
    await page.getByText(zh ? '感谢您的评价！' : 'Thank you for rating!').waitFor()
    await p.shot(`chat-${look}-rated`)
    await page.getByRole('button', { name: zh ? '继续咨询' : 'Go on with this' }).click()
    await page.getByText(zh ? '会话已重新打开' : 'Opened again').waitFor()
    p.calm()
    await p.close()
  })
}

/** A real picture, made by the browser. */
async function picture(p: Person) {
  const page = await p.tab()
  await page.setViewportSize({ width: 400, height: 300 })
  await page.setContent('<body style="margin:0;background:linear-gradient(135deg,#07c160,#2f5b9c)"><h1 style="color:#fff;padding:20px">Parcel 包裹</h1>')
  const shot = await page.screenshot()
  await page.close()
  return shot
}
