import { logOf, type Client } from 'bellhop-client'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at, Person, type View } from './browser.js'
import { agent, browser, client, name, server, until, useWorld } from './world.js'
import { looks, movingGIF, movingWebP, stillPNG, tone } from './media.js'

useWorld()

/** As the server does once a link is an hour old, for links of before `expire`; each is told to last for `seconds`. */
class Aging {
  private round = 0
  private seconds = 3600
  refused = 0
  asked = 0

  static async of(page: Page) {
    const a = new Aging()
    await page.route(/\/api\/v1\/files\/[\w-]+\/link$/, async (route) => {
      a.asked++
      const answer = await route.fetch()
      const l = (await answer.json()) as Record<string, string>
      const aged = (u?: string) => u && `${u}&round=${a.round}`
      await route.fulfill({ response: answer, json: { ...l, url: aged(l['url']), thumbnail: aged(l['thumbnail']), expires: new Date(Date.now() + a.seconds * 1000).toISOString() } })
    })
    await page.route(/\/api\/v1\/files\/.*[?&]round=\d+/, (route) => {
      if (Number(/round=(\d+)/.exec(route.request().url())![1]) >= a.round) return route.continue()
      a.refused++
      return route.fulfill({ status: 403, contentType: 'application/problem+json', body: '{"code":"forbidden"}' })
    })
    return a
  }

  /** All links that there are do not work any more. */
  expire(seconds = 3600) {
    this.round++
    this.seconds = seconds
  }
}

/** A session of an agent and a user, by the SDK, with one of everything in it. */
async function withFiles(face?: Buffer) {
  const queue = name('q')
  const ann = await agent(queue)
  const uma = await client('Uma')
  const avatar = face && (await uma.upload(new Blob([new Uint8Array(face)], { type: 'image/png' }), 'face.png')).url
  const { id } = (await server.host<{ session: { id: string } }>('POST', '/sessions', { user: { id: uma.state.me!.id, name: 'Uma', avatar }, queue, subject: 'files' })).session
  await ann.grab(id)
  await Promise.all([ann.load(id), uma.load(id)])
  const send = async (c: Client, type: 'image' | 'voice' | 'video' | 'file', data: Buffer, mime: string, file: string) =>
    c.send(id, await c.upload(new Blob([new Uint8Array(data)], { type: mime }), file), { type })
  await send(uma, 'image', await stillPNG(browser), 'image/png', 'parcel.png')
  await send(uma, 'voice', tone(3), 'audio/wav', 'voice.wav')
  await send(uma, 'file', Buffer.from('a,b\n1,2\n'), 'text/csv', 'orders.csv')
  const file = logOf(uma.state, id).messages.findLast((m) => m.type === 'file')!.body as { url: string }
  await uma.send(id, { title: 'The card', url: `${server.url}${file.url}` }, { type: 'card' }).catch(() => {})
  await until(() => logOf(ann.state, id).messages.some((m) => m.type === 'file'), 'the file')
  if (!logOf(ann.state, id).messages.some((m) => m.type === 'card')) await ann.send(id, { title: 'The card', url: `${server.url}${file.url}` }, { type: 'card' })
  return { queue, ann, uma, id }
}

const shown = (page: Page) => page.locator('.bh-picture img').first().evaluate((i: HTMLImageElement) => i.complete && i.naturalWidth > 0)

interface Place {
  who: string
  view: View
  open: (w: Awaited<ReturnType<typeof withFiles>>, p: Person) => Promise<void>
}

const places: Place[] = [
  { who: 'the user', view: {}, open: async ({ uma }, p) => void (await p.page.goto(await at(server, 'chat', 'user', uma.state.me!.id, { name: 'Uma' }))) },
  { who: 'the agent', view: { phone: true }, open: async ({ ann, queue }, p) => {
    await p.page.goto(await at(server, 'desk', 'agent', ann.state.me!.id, { name: 'Ann', queues: [queue] }))
    await p.page.getByRole('button', { name: /Chats$/ }).click()
    await p.page.getByRole('button', { name: /Uma/ }).click()
  } },
  { who: 'the supervisor', view: {}, open: async ({ queue }, p) => {
    await p.page.goto(await at(server, 'desk', 'supervisor', name('sue'), { name: 'Sue', queues: [queue] }))
    await p.page.getByRole('button', { name: /Sessions$/ }).click()
    await p.page.getByRole('button', { name: 'Uma', exact: true }).first().click()
  } },
]

for (const { who, view, open } of places) {
  it(`has files that live for longer than their links: ${who}`, async () => {
    const world = await withFiles()
    const p = await Person.open(browser, view)
    const { page } = p
    const links = await Aging.of(page)
    await open(world, p)
    await page.locator('.bh-file', { hasText: 'orders.csv' }).waitFor()
    await until(() => shown(page), 'the picture')
    // Refused in spite of what was told of their age: the server fell back to another key, or the device slept.
    links.expire()
    await page.getByRole('button', { name: 'Open the picture' }).click()
    const large = page.locator('dialog img')
    await until(() => large.evaluate((i: HTMLImageElement) => i.complete && i.naturalWidth > 0), 'the large picture')
    await page.keyboard.press('Escape')
    expect(links.refused).toBeGreaterThan(0)
    expect(await page.locator('.bh-file').count()).toBe(1) // nothing has turned into a mere file

    const voice = page.getByRole('button', { name: /Play voice message/ })
    links.expire()
    await voice.click()
    await page.getByRole('button', { name: /^Pause/ }).waitFor()
    await page.getByRole('button', { name: /Play voice message/ }).waitFor() // to its end
    expect(await page.locator('.bh-voice').count()).toBe(1)

    // Told of their age: what one follows is made anew first.
    links.expire(30)
    await page.goto('about:blank')
    await open(world, p)
    await page.locator('.bh-file', { hasText: 'orders.csv' }).waitFor()
    await until(() => shown(page), 'the picture again')
    links.expire()
    const [got] = await Promise.all([page.waitForEvent('download'), page.locator('.bh-file').click()])
    expect(got.suggestedFilename()).toBe('orders.csv')
    expect(await got.failure()).toBeNull()
    p.calm()
    await p.close()
  })
}

it('has pictures that stay in view for hours, and avatars', async () => {
  // An avatar that is a file of this server: without a link nobody's browser loads it.
  const { uma } = await withFiles(await stillPNG(browser))
  const p = await Person.open(browser)
  const { page } = p
  const links = await Aging.of(page)
  links.expire(62)
  await page.goto(await at(server, 'chat', 'user', uma.state.me!.id, { name: 'Uma' }))
  await until(() => shown(page), 'the picture')
  const face = page.locator('.bh-row.own .bh-face img').first()
  await until(() => face.evaluate((i: HTMLImageElement) => i.naturalWidth > 0), 'the avatar')
  const before = await page.locator('.bh-picture img').first().getAttribute('src')
  // Its link ends while it is in view: it has another address before that.
  links.expire()
  await until(async () => (await page.locator('.bh-picture img').first().getAttribute('src')) !== before, 'a fresh address')
  await until(() => shown(page), 'the picture, still')
  p.calm()
  await p.close()
})

for (const calm of [false, true]) {
  it(`shows what moves moving, ${calm ? 'to who wants no motion once it is opened' : 'in the list, too'}`, async () => {
    const { ann, uma, id } = await withFiles()
    const p = await Person.open(browser, { phone: true, moving: !calm })
    const { page } = p
    await page.goto(await at(server, 'chat', 'user', uma.state.me!.id, { name: 'Uma' }))
    const gif = movingGIF()
    await ann.send(id, await ann.upload(new Blob([new Uint8Array(gif)], { type: 'image/gif' }), 'wave.gif'), { type: 'image' })
    const webp = await movingWebP(browser)
    await ann.send(id, await ann.upload(new Blob([new Uint8Array(webp)], { type: 'image/webp' }), 'wave.webp'), { type: 'image' })
    for (const [i, name] of ['wave.gif', 'wave.webp'].entries()) {
      const one = page.locator('.bh-row.other .bh-picture').nth(i)
      const img = one.locator('img')
      await img.waitFor()
      await until(() => img.evaluate((x: HTMLImageElement) => x.complete && x.naturalWidth > 0), name)
      expect((await img.getAttribute('src'))!.includes('/thumbnail'), name).toBe(calm)
      expect(await one.locator('.bh-gif').count(), name).toBe(calm ? 1 : 0)
      expect(await looks(img), name).toBe(calm ? 1 : 2)
      await one.click()
      const large = page.locator('dialog img')
      expect((await large.getAttribute('src'))!.includes('/thumbnail')).toBe(false)
      expect(await looks(page.locator('dialog img')), name).toBe(2)
      await page.keyboard.press('Escape')
    }
    p.calm()
    await p.close()
  })
}
