import type { Route } from 'playwright-core'
import { expect, it } from 'vitest'
import { messages, nth, served } from './served.js'
import { useWorld } from './world.js'

useWorld()

const problem = (status: number, code: string, more: object = {}) => (r: Route) => r.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify({ status, code, detail: 'x', retry: false, ...more }) })
const proxy = (status: number) => (r: Route) => r.fulfill({ status, contentType: 'text/html', body: `<html><h1>${status}</h1></html>` })

/** What answers an upload, and what a person reads. */
const answers: [string, (r: Route) => Promise<void>, string, string][] = [
  ['too large', problem(413, 'too_large'), 'Too large for this server.', '文件太大，此服务器不接受'],
  ['too large for a proxy', proxy(413), 'Too large for this server.', '文件太大，此服务器不接受'],
  ['refused', problem(400, 'bad_request'), 'The server does not take this file.', '服务器不接受此文件'],
  ['a type a proxy refuses', proxy(415), 'The server does not take this file.', '服务器不接受此文件'],
  ['forbidden', proxy(403), 'Not allowed.', '没有权限'],
  ['the access is over', problem(401, 'unauthorized'), 'Your access has expired.', '登录已过期'],
  ['blocked', problem(403, 'blocked'), 'You cannot write here any more.', '您已无法在此发言'],
  ['thirty a minute', problem(429, 'rate_limited', { retryAfter: 12_300 }), 'Too many files at once. Try again in 13 seconds.', '一次发送的文件太多，请13秒后再试'],
  ['bytes of a day', problem(429, 'rate_limited', { retryAfter: 3_600_000 }), 'Too many files. Try again in 60 minutes.', '发送的文件太多，请60分钟后再试'],
  ['full', problem(503, 'overloaded'), 'The server is busy. Try again soon.', '服务器繁忙，请稍后再试'],
  ['away', proxy(502), 'No answer from the server. Is there a connection?', '服务器没有响应，请检查网络'],
  ['no network', (r) => r.abort('internetdisconnected'), 'No answer from the server. Is there a connection?', '服务器没有响应，请检查网络'],
  ['a fault', problem(500, 'internal'), 'Something went wrong.', '出错了'],
]

for (const zh of [false, true]) {
  it(`says why a file was not sent: ${zh ? 'zh' : 'en'}`, async () => {
    const { ann, p, page, session } = await served({ lang: zh ? 'zh-CN' : 'en-GB', phone: zh })
    const pick = (buffer: Buffer, name = 'a.pdf') => page.locator('input[type=file]').setInputFiles({ name, mimeType: '', buffer })
    const why = page.locator('.bh-failed [role=alert]')
    const discard = async () => {
      await page.getByRole('button', { name: zh ? '删除' : 'Delete' }).click()
      await why.waitFor({ state: 'detached' })
    }
    let answer: (r: Route) => Promise<void>
    await page.route('**/api/v1/files', (r) => answer(r))
    for (const [what, a, en, cn] of answers) {
      answer = a
      await pick(Buffer.from('%PDF-1.7 x'))
      await why.waitFor()
      expect(await why.textContent(), what).toBe(zh ? cn : en)
      await discard()
    }
    // What the page finds out by itself.
    answer = () => Promise.reject(new Error('asked the server'))
    await pick(Buffer.alloc(0), 'empty.txt')
    await why.waitFor()
    expect(await why.textContent()).toBe(zh ? '文件是空的' : 'This file is empty.')
    await discard()
    await page.locator('input[type=file]').evaluate((el: HTMLInputElement) => {
      const data = new DataTransfer()
      data.items.add(new File([new Uint8Array(20 * 1024 * 1024 + 1)], 'large.bin'))
      el.files = data.files
      el.dispatchEvent(new Event('change', { bubbles: true }))
    })
    await why.waitFor()
    expect(await why.textContent()).toBe(zh ? '文件太大：不超过20 MB' : 'Too large: a file may have 20 MB.')
    await discard()
    await page.evaluate(() => {
      Blob.prototype.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) }) as unknown as Blob
    })
    await pick(Buffer.from('x'))
    await why.waitFor()
    expect(await why.textContent()).toBe(zh ? '无法读取：文件已移动或修改，或者是文件夹' : 'This cannot be read. It was moved or changed, or is a folder.')
    await p.shot(`chat-refused-${zh ? 'zh-phone' : 'en-desktop'}`)
    expect(messages(ann, session)).toEqual([])
    p.calm()
    await p.close()
  })
}

it('tries again what failed, and says so where the session has ended meanwhile', async () => {
  const { ann, p, page, session } = await served()
  const pick = () => page.locator('input[type=file]').setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('x') })
  await page.route('**/api/v1/files', (r) => r.abort(), { times: 1 })
  await pick()
  await page.getByRole('button', { name: 'Retry' }).click()
  expect((await nth(ann, session, 0)).body.name).toBe('a.txt')
  let go = () => {}
  const held = new Promise<void>((done) => (go = done))
  await page.route('**/api/v1/files', async (r) => {
    await held
    await r.continue()
  })
  await pick()
  await page.locator('.bh-row progress').waitFor()
  await ann.end(session, { force: true })
  await page.getByText('How was it?').waitFor()
  go()
  await page.locator('.bh-failed').getByText('The conversation has ended.').waitFor()
  p.calm()
  await p.close()
})

it('makes a picture smaller for a proxy that takes less than the server', async () => {
  const { ann, p, page, session } = await served()
  const noise = await page.evaluate(async () => {
    const c = new OffscreenCanvas(1600, 1200)
    const g = c.getContext('2d')!
    const d = g.createImageData(1600, 1200)
    for (let i = 0; i < d.data.length; i++) d.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24
    g.putImageData(d, 0, 0)
    return [...new Uint8Array(await (await c.convertToBlob({ type: 'image/png' })).arrayBuffer())]
  })
  const sizes: number[] = []
  await page.route('**/api/v1/files', async (r) => {
    sizes.push(r.request().postDataBuffer()!.length)
    await (sizes.length === 1 ? proxy(413)(r) : r.continue())
  })
  await page.locator('input[type=file]').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from(noise) })
  const m = await nth(ann, session, 0)
  expect(m.type).toBe('image')
  expect(m.body.name).toBe('photo.jpg')
  expect(sizes[1]!).toBeLessThan(sizes[0]!)
  await p.close()
})
