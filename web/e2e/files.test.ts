import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, type FileBody } from 'bellhop-client'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { Person } from './browser.js'
import { browser, name, server, useWorld } from './world.js'

useWorld()

const elements = { img: 'load', audio: 'loadedmetadata', video: 'loadedmetadata' }

/** A page of somebody else's, on a host of this machine. */
async function site(host: string) {
  const s = createServer((r, w) => {
    if (r.url === '/') w.setHeader('Content-Type', 'text/html').end('<!doctype html><link rel="icon" href="data:,"><title>Other</title>')
    else w.writeHead(404).end()
  })
  await new Promise<void>((done) => s.listen(0, host, done))
  return { url: `http://${host}:${(s.address() as AddressInfo).port}/`, close: () => s.close() }
}

it('shows signed links on other sites, and nothing else', async () => {
  const c = new Client({ url: server.url, token: await server.token('user', name('uma')) }).start()
  const p = await Person.open(browser)
  const picture = await p.page.screenshot()
  const put = async (data: Buffer, mime: string, file: string) => {
    const f = await c.upload(new Blob([new Uint8Array(data)], { type: mime }), file)
    return { f, link: await c.request<{ url: string; thumbnail?: string }>(`${f.url.slice('/api/v1'.length)}/link`) }
  }
  const kinds: [keyof typeof elements, { f: FileBody; link: { url: string; thumbnail?: string } }][] = [
    ['img', await put(picture, 'image/png', 'a.png')],
    ['audio', await put(wav(), 'audio/wav', 'a.wav')],
    ['video', await put(await film(p.page), 'video/webm', 'a.webm')],
  ]
  // Another port is another origin; 127.0.0.2 another site, too.
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const other = await site(host)
    await p.page.goto(other.url)
    const show = (tag: string, url: string, event: string) =>
      p.page.evaluate(
        ([tag, url, event]) =>
          new Promise<string>((done) => {
            const e = document.createElement(tag!) as HTMLVideoElement
            e.addEventListener(event!, () => done('shown'))
            e.addEventListener('error', () => done('not shown'))
            e.preload = 'auto'
            e.src = url!
            document.body.append(e)
          }),
        [tag, url, event],
      )
    for (const [tag, { f, link }] of kinds) {
      expect(await show(tag, server.url + link.url, elements[tag]), `${tag} from ${host}`).toBe('shown')
      if (link.thumbnail) expect(await show('img', server.url + link.thumbnail, 'load'), `thumbnail from ${host}`).toBe('shown')
      expect(await show(tag, server.url + f.url, elements[tag])).toBe('not shown')
      expect(await show(tag, server.url + link.url.replace(/signature=./, 'signature=_'), elements[tag])).toBe('not shown')
      // The end of it alone, as a player asks when one seeks; scripts of the site do not get at the bytes.
      const part = await fetch(server.url + link.url, { headers: { Range: 'bytes=-10' } })
      expect([part.status, (await part.arrayBuffer()).byteLength, part.headers.get('cross-origin-resource-policy')]).toEqual([206, 10, 'cross-origin'])
      expect(await p.page.evaluate((url) => fetch(url).then(() => 'read', () => 'refused'), server.url + link.url)).toBe('refused')
    }
    other.close()
  }
  const own = await fetch(server.url + kinds[0]![1].f.url, { headers: { Authorization: `Bearer ${await server.token('user', 'nobody')}` } })
  expect(own.status).toBe(404)
  c.close()
  await p.close()
})

/** A second of silence. */
function wav() {
  const data = Buffer.alloc(44 + 8000, 128)
  data.write('RIFF')
  data.writeUInt32LE(36 + 8000, 4)
  data.write('WAVEfmt ', 8)
  data.writeUInt32LE(16, 16)
  data.writeUInt16LE(1, 20)
  data.writeUInt16LE(1, 22)
  data.writeUInt32LE(8000, 24)
  data.writeUInt32LE(8000, 28)
  data.writeUInt16LE(1, 32)
  data.writeUInt16LE(8, 34)
  data.write('data', 36)
  data.writeUInt32LE(8000, 40)
  return data
}

/** Half a second of a colour that changes. */
async function film(page: Page) {
  const base64 = await page.evaluate(async () => {
    const canvas = document.createElement('canvas')
    const draw = canvas.getContext('2d')!
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm;codecs=vp8' })
    const parts: Blob[] = []
    recorder.ondataavailable = (e) => parts.push(e.data)
    const stopped = new Promise((done) => (recorder.onstop = done))
    recorder.start()
    for (let i = 0; i < 10; i++) {
      draw.fillStyle = `rgb(${25 * i}, 0, 0)`
      draw.fillRect(0, 0, canvas.width, canvas.height)
      await new Promise((done) => setTimeout(done, 50))
    }
    recorder.stop()
    await stopped
    return btoa(String.fromCharCode(...new Uint8Array(await new Blob(parts).arrayBuffer())))
  })
  return Buffer.from(base64, 'base64')
}
