import { expect, it } from 'vitest'
import { messages, nth, served } from './served.js'
import { speak, useWorld } from './world.js'

useWorld()

const slow = 1500 // ms that the microphone takes to open

/** A user whose microphone takes its time, at the button that is held. */
async function atTheButton(zh: boolean, phone: boolean) {
  const s = await served({ phone, lang: zh ? 'zh-CN' : 'en-GB' })
  await s.page.evaluate((slow) => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = async (c) => {
      await new Promise((done) => setTimeout(done, slow))
      return ((window as unknown as { mic: MediaStream }).mic = await open(c))
    }
  }, slow)
  await s.page.getByRole('button', { name: zh ? '语音消息' : 'Voice message' }).click()
  return s
}

it('counts from when the microphone is open', async () => {
  const { ann, p, page, session } = await atTheButton(true, true)
  const began = Date.now()
  await speak(page, 1200, async () => {
    expect(await page.locator('.bh-recording b').innerText()).toBe('…')
    await p.shot('chat-voice-opens')
  })
  const held = (Date.now() - began) / 1000
  const { body } = await nth(ann, session, 0)
  expect(body.duration).toBeGreaterThan(0.9)
  expect(body.duration).toBeLessThan(held - slow / 1000)
  p.calm()
  await p.close()
})

it('sends nothing where it is let go before', async () => {
  const { ann, p, page, session } = await atTheButton(true, true)
  await page.locator('.bh-hold').hover()
  await page.mouse.down()
  await page.locator('.bh-recording').waitFor()
  await page.mouse.up()
  await page.getByText('说话时间太短').waitFor()
  expect(messages(ann, session)).toEqual([])
  p.calm()
  await p.close()
})

it('sends what was said before the microphone was unplugged', async () => {
  const { ann, p, page, session } = await atTheButton(false, false)
  await page.locator('.bh-hold').hover()
  await page.mouse.down()
  await page.locator('.bh-recording', { hasText: '0:01' }).waitFor()
  await page.evaluate(() => {
    for (const track of (window as unknown as { mic: MediaStream }).mic.getTracks()) track.stop()
  })
  await page.waitForTimeout(1500)
  await page.mouse.up()
  const { body, type } = await nth(ann, session, 0)
  expect(type).toBe('voice')
  expect(body.duration).toBeGreaterThan(0.4)
  p.calm()
  await p.close()
})
