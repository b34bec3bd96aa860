import { expect, it } from 'vitest'
import type { View } from './browser.js'
import { messages, nth, served } from './served.js'
import { hold, press, useWorld } from './world.js'

useWorld()

/** A user at the button that is held, whose microphone opens by `open`, and is unplugged by `unplug`. */
async function atTheButton(v: View) {
  const s = await served(v)
  await s.page.evaluate(() => {
    const w = window as unknown as { open_: () => void; mic: MediaStream }
    const opens = new Promise<void>((done) => (w.open_ = done))
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = async (c) => {
      await opens
      return (w.mic = await open(c))
    }
  })
  await s.page.getByRole('button', { name: v.lang === 'zh-CN' ? '语音消息' : 'Voice message' }).click()
  return {
    ...s,
    open: () => s.page.evaluate(() => (window as unknown as { open_: () => void }).open_()),
    unplug: () => s.page.evaluate(() => {
      for (const track of (window as unknown as { mic: MediaStream }).mic.getTracks()) track.stop()
    }),
  }
}

for (const v of [{ lang: 'zh-CN', phone: true }, { lang: 'en-GB' }, { lang: 'zh-CN', dark: true }, { lang: 'en-GB', phone: true, dark: true }] as View[]) {
  const look = `${v.lang === 'zh-CN' ? 'zh' : 'en'}-${v.phone ? 'phone' : 'desktop'}-${v.dark ? 'dark' : 'light'}`
  it(`counts from when the microphone is open: ${look}`, async () => {
    const { ann, p, page, session, open } = await atTheButton(v)
    const seconds = page.locator('.bh-recording b')
    const began = Date.now()
    await press(page)
    await page.waitForTimeout(1500)
    expect(await seconds.innerText()).toBe('…')
    await p.shot(`voice-${look}-opens`)
    await open()
    await hold(page, 1200)
    const held = (Date.now() - began) / 1000
    const { body } = await nth(ann, session, 0)
    expect(body.duration).toBeGreaterThan(0.9)
    expect(body.duration).toBeLessThan(held - 1.5)
    p.calm()
    await p.close()
  })
}

it('sends nothing where it is let go before', async () => {
  const { ann, p, page, session, open } = await atTheButton({ lang: 'zh-CN', phone: true })
  await press(page)
  await page.mouse.up()
  await open()
  await page.getByText('说话时间太短').waitFor()
  expect(messages(ann, session)).toEqual([])
  p.calm()
  await p.close()
})

it('sends what was said before the microphone was unplugged', async () => {
  const { ann, p, page, session, open, unplug } = await atTheButton({ lang: 'en-GB' })
  await open()
  await press(page)
  await page.locator('.bh-recording', { hasText: '0:01' }).waitFor()
  await unplug()
  await page.waitForTimeout(1500)
  await page.mouse.up()
  const { body, type } = await nth(ann, session, 0)
  expect(type).toBe('voice')
  expect(body.duration).toBeGreaterThan(0.4)
  p.calm()
  await p.close()
})
