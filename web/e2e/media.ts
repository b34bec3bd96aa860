import type { Browser, Locator } from 'playwright-core'

/** A real picture, made by the browser. */
export async function stillPNG(browser: Browser) {
  const page = await browser.newPage({ viewport: { width: 400, height: 300 } })
  await page.setContent('<body style="margin:0;background:linear-gradient(135deg,#07c160,#2f5b9c)"><h1 style="color:#fff;padding:20px">Parcel 包裹</h1>')
  const shot = await page.screenshot()
  await page.close()
  return shot
}

/** So many seconds of a low tone, as WAV. */
export function tone(seconds: number, rate = 8000) {
  const n = Math.round(seconds * rate)
  const b = Buffer.alloc(44 + n, 128)
  b.write('RIFF', 0)
  b.writeUInt32LE(36 + n, 4)
  b.write('WAVEfmt ', 8)
  b.writeUInt32LE(16, 16)
  b.writeUInt16LE(1, 20)
  b.writeUInt16LE(1, 22)
  b.writeUInt32LE(rate, 24)
  b.writeUInt32LE(rate, 28)
  b.writeUInt16LE(1, 32)
  b.writeUInt16LE(8, 34)
  b.write('data', 36)
  b.writeUInt32LE(n, 40)
  for (let i = 0; i < n; i++) b[44 + i] = 128 + Math.round(40 * Math.sin((i / rate) * 2 * Math.PI * 220))
  return b
}

/** Two frames of 8 by 8 pixels: red, then blue. */
export function movingGIF() {
  const frame = (colour: number) => {
    // Each pixel is a code of three bits of its own: a clear code before each pair keeps their width.
    const codes = [4]
    for (let i = 0; i < 64; i++) codes.push(colour, ...(i % 2 ? [4] : []))
    codes.push(5)
    let bits = 0n
    codes.forEach((c, i) => (bits |= BigInt(c) << BigInt(3 * i)))
    const data = []
    for (let i = 0; i < Math.ceil((codes.length * 3) / 8); i++) data.push(Number((bits >> BigInt(8 * i)) & 255n))
    return [0x21, 0xf9, 4, 4, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 8, 0, 8, 0, 0, 2, data.length, ...data, 0]
  }
  return Buffer.from([...Buffer.from('GIF89a'), 8, 0, 8, 0, 0x81, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, ...Buffer.from([0x21, 0xff, 11]), ...Buffer.from('NETSCAPE2.0'), 3, 1, 0, 0, 0, ...frame(0), ...frame(1), 0x3b])
}

/** Two frames of two colours, each as the browser writes a WebP. */
export async function movingWebP(browser: Browser) {
  const page = await browser.newPage()
  const stills = await page.evaluate(() =>
    Promise.all(
      ['#f00', '#00f'].map(async (colour) => {
        const canvas = new OffscreenCanvas(64, 64)
        const c = canvas.getContext('2d')!
        c.fillStyle = colour
        c.fillRect(0, 0, 64, 64)
        return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 })).arrayBuffer())]
      }),
    ),
  )
  await page.close()
  const chunk = (kind: string, data: Buffer) => {
    const head = Buffer.alloc(8)
    head.write(kind)
    head.writeUInt32LE(data.length, 4)
    return Buffer.concat([head, data, Buffer.alloc(data.length % 2)])
  }
  // The picture's own chunk of a still one: what is behind the head, and behind VP8X where there is one.
  const picture = (still: number[]) => {
    const b = Buffer.from(still)
    return b.subarray(b.toString('latin1', 12, 16) === 'VP8X' ? 30 : 12)
  }
  const frame = (still: number[]) => chunk('ANMF', Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 63, 0, 0, 63, 0, 0, 100, 0, 0, 2]), picture(still)]))
  const body = Buffer.concat([Buffer.from('WEBP'), chunk('VP8X', Buffer.from([2, 0, 0, 0, 63, 0, 0, 63, 0, 0])), chunk('ANIM', Buffer.from([255, 255, 255, 255, 0, 0])), ...stills.map(frame)])
  return chunk('RIFF', body)
}

/** In how many ways something looks within two seconds. */
export async function looks(what: Locator) {
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) {
    seen.add((await what.screenshot()).toString('base64'))
    if (seen.size > 1) break
    await new Promise((done) => setTimeout(done, 90))
  }
  return seen.size
}
