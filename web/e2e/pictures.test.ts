import { readFileSync } from 'node:fs'
import type { Page, Worker } from 'playwright-core'
import { expect, it } from 'vitest'
import { messages, nth, served } from './served.js'
import { useWorld, until } from './world.js'

useWorld()

interface Drawn {
  width: number
  height: number
  type: string
  /** Nothing is drawn below. */
  clear?: boolean
}

/** A picture that a camera or a screen could have made: noise in a grid, and a corner of each colour. */
async function draw(page: Page, d: Drawn) {
  const base64 = await page.evaluate(async ({ width, height, type, clear }) => {
    const c = new OffscreenCanvas(width, height)
    const g = c.getContext('2d')!
    const h = clear ? height / 2 : height
    g.fillStyle = '#888'
    g.fillRect(0, 0, width, h)
    for (let i = 0; i < 4000; i++) {
      g.fillStyle = `hsl(${(i * 47) % 360} 60% ${30 + ((i * 13) % 50)}%)`
      g.fillRect((i * 7919) % width, (i * 104729) % h, width / 40, h / 60)
    }
    const corner = (color: string, x: number, y: number) => {
      g.fillStyle = color
      g.fillRect(x * width * 0.75, y * h * 0.75, width / 4, h / 4)
    }
    corner('#f00', 0, 0)
    corner('#0f0', 1, 0)
    corner('#00f', 0, 1)
    corner('#ff0', 1, 1)
    const blob = await c.convertToBlob({ type, quality: 0.92 })
    return new Promise<string>((done) => {
      const r = new FileReader()
      r.onload = () => done((r.result as string).split(',')[1]!)
      r.readAsDataURL(blob)
    })
  }, d)
  return Buffer.from(base64, 'base64')
}

/** A JPEG that is to be turned, as a phone held upright makes them. */
const turned = (jpeg: Buffer, orientation: number) => {
  const exif = Buffer.from(`457869660000` + '4d4d002a00000008' + '0001' + '011200030000000100' + orientation.toString(16).padStart(2, '0') + '0000' + '00000000', 'hex')
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2])
  return Buffer.concat([head, exif, jpeg.subarray(2)])
}

/** The colours of the corners of what the other side gets, as it is shown; and how clear it is at the bottom. */
async function corners(page: Page, url: string) {
  return page.evaluate(async (url) => {
    const b = await createImageBitmap(await (await fetch(url)).blob())
    const c = new OffscreenCanvas(100, 100)
    const g = c.getContext('2d')!
    g.drawImage(b, 0, 0, 100, 100)
    const at = (x: number, y: number) => {
      const [r, gr, bl, a] = g.getImageData(x, y, 1, 1).data
      return a! < 128 ? 'clear' : `${r! > 128 ? 'R' : ''}${gr! > 128 ? 'G' : ''}${bl! > 128 ? 'B' : ''}`
    }
    return { width: b.width, height: b.height, is: [at(5, 5), at(95, 5), at(5, 95), at(95, 95)] }
  }, url)
}

const link = async (ann: Awaited<ReturnType<typeof served>>['ann'], url: string) => (await ann.request<{ url: string }>(`${url.replace('/api/v1', '')}/link`)).url

/** Which workers a page has started. */
function workers(page: Page) {
  const all: string[] = []
  page.on('worker', (w: Worker) => all.push(w.url()))
  return all
}

const pick = (page: Page, name: string, mimeType: string, buffer: Buffer) => page.locator('input[type=file]').setInputFiles({ name, mimeType, buffer })

it('sends a photo of 48 megapixels as a picture, the right way up, drawn off the thread of the page', async () => {
  const { ann, p, page, session } = await served({ phone: true })
  const started = workers(page)
  const photo = turned(await draw(page, { width: 8064, height: 6048, type: 'image/jpeg' }), 6)
  await page.evaluate(() => {
    const w = window as unknown as { drawn: number }
    w.drawn = 0
    HTMLCanvasElement.prototype.getContext = () => (w.drawn++, null)
  })
  await pick(page, 'IMG_0001.JPG', 'image/jpeg', photo)
  const m = await nth(ann, session, 0)
  expect(m.type).toBe('image')
  expect(m.body).toMatchObject({ name: 'IMG_0001.JPG', mime: 'image/jpeg' })
  expect(m.body.height).toBeGreaterThan(m.body.width!)
  expect(m.body.width! * m.body.height!).toBeGreaterThan(15_000_000)
  expect(m.body.width! * m.body.height!).toBeLessThanOrEqual(16_000_000)
  expect(m.body.size).toBeLessThanOrEqual(photo.length)
  // Turned by a quarter: what was at the bottom left is at the top left.
  expect((await corners(page, await link(ann, m.body.url))).is).toEqual(['B', 'R', 'RG', 'G'])
  expect(started.some((u) => /\/assets\/redraw\.worker-/.test(u))).toBe(true)
  expect(await page.evaluate(() => (window as unknown as { drawn: number }).drawn)).toBe(0)
  await page.locator('.bh-picture img').waitFor()
  await p.shot('chat-large-photo-phone')
  p.calm()
  await p.close()
})

it('sends a screenshot as long as a day, and keeps what is clear in a picture', async () => {
  const { ann, p, page, session } = await served()
  const long = await draw(page, { width: 1179, height: 40_000, type: 'image/png' })
  await pick(page, 'Screenshot 长图.png', 'image/png', long)
  const m = await nth(ann, session, 0)
  expect(m.type).toBe('image')
  expect(m.body.height! / m.body.width!).toBeCloseTo(40_000 / 1179, 0)
  expect(m.body.width).toBeGreaterThan(600)
  expect(m.body.size).toBeLessThanOrEqual(long.length)
  expect(m.body.name).toMatch(/^Screenshot 长图\.(png|jpg)$/)

  const clear = await draw(page, { width: 6400, height: 4800, type: 'image/png', clear: true })
  await pick(page, 'logo.png', 'image/png', clear)
  const logo = await nth(ann, session, 1)
  expect(logo.type).toBe('image')
  expect(['image/png', 'image/webp']).toContain(logo.body.mime)
  expect(logo.body.size).toBeLessThanOrEqual(clear.length)
  expect((await corners(page, await link(ann, logo.body.url))).is).toEqual(['R', 'G', 'clear', 'clear'])

  // What is small enough stays as it is, to the byte.
  const fine = await draw(page, { width: 4000, height: 3000, type: 'image/jpeg' })
  await pick(page, 'fine.jpeg', 'image/jpeg', fine)
  const third = await nth(ann, session, 2)
  expect(third.body).toMatchObject({ width: 4000, height: 3000, name: 'fine.jpeg' })
  p.calm()
  await p.close()
})

it('does it in the page where a browser has no canvas for workers', async () => {
  const { ann, p, page, session } = await served()
  const photo = turned(await draw(page, { width: 7000, height: 5000, type: 'image/jpeg' }), 3)
  await page.evaluate(() => Reflect.deleteProperty(window, 'OffscreenCanvas'))
  const started = workers(page)
  await pick(page, 'photo.jpg', 'image/jpeg', photo)
  const m = await nth(ann, session, 0)
  expect(m.type).toBe('image')
  expect(m.body.width! * m.body.height!).toBeLessThanOrEqual(16_000_000)
  const shown = await p.tab()
  await shown.goto(page.url())
  expect((await corners(shown, await link(ann, m.body.url))).is).toEqual(['RG', 'B', 'G', 'R'])
  expect(started).toEqual([])
  await p.close()
})

it('sends what there is of a cut picture, as a picture or as a file', async () => {
  const { ann, p, page, session } = await served()
  const photo = await draw(page, { width: 2000, height: 1500, type: 'image/jpeg' })
  await pick(page, 'cut.jpg', 'image/jpeg', photo.subarray(0, photo.length / 2))
  const half = await nth(ann, session, 0)
  expect(half.type).toBe('image')
  expect(half.body.size).toBeLessThanOrEqual(photo.length / 2)
  expect((await corners(page, await link(ann, half.body.url))).is.slice(0, 2)).toEqual(['R', 'G'])

  await pick(page, 'head.jpg', 'image/jpeg', photo.subarray(0, 200))
  const none = await nth(ann, session, 1)
  expect(none.type).toBe('file')
  expect(none.body).toMatchObject({ name: 'head.jpg', size: 200, mime: 'application/octet-stream' })
  await page.getByRole('link', { name: /head\.jpg/ }).waitFor()
  p.calm()
  await p.close()
})

// Two pixels each way, from an iPhone’s kin: Chromium shows AVIF, and knows nothing of HEIC.
const avif = readFileSync(new URL('testdata/two.avif', import.meta.url))
const heic = Buffer.concat([Buffer.from('000000186674797068656963000000006d69663168656963', 'hex'), Buffer.alloc(500, 7)])

it('makes a JPEG of a picture that only some browsers show, and shows those where it can', async () => {
  const { ann, p, page, session } = await served()
  await pick(page, 'IMG_7.avif', '', avif)
  const made = await nth(ann, session, 0)
  expect(made.type).toBe('image')
  expect(made.body).toMatchObject({ name: 'IMG_7.jpg', mime: 'image/jpeg', width: 2, height: 2 })

  // By its content, not by its name: iPhones call some of them .jpg.
  await pick(page, 'IMG_8.jpg', 'image/jpeg', heic)
  const kept = await nth(ann, session, 1)
  expect(kept.type).toBe('file')
  expect(kept.body).toMatchObject({ name: 'IMG_8.jpg', mime: 'image/heic' })

  const body = await ann.upload(new Blob([new Uint8Array(avif)]), 'theirs.avif')
  expect(body.mime).toBe('image/avif')
  void ann.send(session, body, { type: 'file' })
  await page.locator('.bh-row.other .bh-picture img').waitFor()
  expect(await page.locator('.bh-row.other .bh-picture img').evaluate((i: HTMLImageElement) => i.naturalWidth)).toBe(2)
  // One that this browser cannot show stays a file, and is not fetched to find that out.
  const fetched: string[] = []
  page.on('request', (r) => fetched.push(r.url()))
  void ann.send(session, await ann.upload(new Blob([new Uint8Array(heic)]), 'theirs.heic'), { type: 'file' })
  await page.getByRole('link', { name: /theirs\.heic/ }).waitFor()
  await page.waitForTimeout(300)
  expect(fetched.filter((u) => u.includes('signature'))).toEqual([])
  p.calm()
  await p.close()
})

it('leaves alone what moves, and sends what cannot be made smaller as a file', async () => {
  const { ann, p, page, session } = await served()
  const png = await draw(page, { width: 7000, height: 7200, type: 'image/png' })
  const chunk = Buffer.from('0000000861635450000000020000000000000000', 'hex') // acTL: two frames
  chunk.write('acTL', 4)
  const moving = Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)])
  await pick(page, 'moving.png', 'image/png', moving)
  const m = await nth(ann, session, 0)
  expect(m.type).toBe('file')
  expect(m.body.size).toBe(moving.length)
  await until(() => messages(ann, session).length === 1, 'one message')
  await p.close()
})
