import { logOf, type Client } from 'bellhop-client'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at } from './browser.js'
import { agent, name, server, until, user, useWorld, waiting } from './world.js'

useWorld()

/** A user on the page and an agent, in a served session. */
async function served(v = {}) {
  const queue = name('q')
  const ann = await agent(queue)
  const id = name('uma')
  const p = await user(v, queue, id)
  await p.page.getByRole('button', { name: 'Start' }).click()
  const session = await waiting(ann, queue)
  await ann.grab(session)
  await ann.load(session)
  await p.page.getByText('Ann 安 is here for you').waitFor()
  return { queue, ann, p, page: p.page, session, id }
}

const write = async (page: Page, text: string) => {
  await page.getByRole('textbox').fill(text)
  await page.getByRole('textbox').press('Enter')
}
const texts = (c: Client, session: string) => logOf(c.state, session).messages.filter((m) => m.type === 'text').map((m) => String(m.body))
const shown = (page: Page) => page.locator('.bh-text').allTextContents()

it('loses and doubles nothing when the server is killed while both write', async () => {
  const { ann, p, page, session } = await served()
  const wrote: string[] = []
  for (let i = 0; i < 30; i++) {
    wrote.push(`user ${i}`)
    await write(page, `user ${i}`)
    void ann.send(session, `agent ${i}`)
    if (i === 10) await server.kill()
    if (i === 15) await page.getByText(/No connection/).waitFor()
    if (i === 20) await server.run()
  }
  await until(() => texts(ann, session).length === 60, 'all sixty')
  expect(texts(ann, session).filter((s) => s.startsWith('user'))).toEqual(wrote)
  expect(texts(ann, session).filter((s) => s.startsWith('agent'))).toEqual(wrote.map((s) => s.replace('user', 'agent')))
  await page.getByText(/No connection/).waitFor({ state: 'detached' })
  await page.locator('.bh-row .bh-spinner').waitFor({ state: 'detached' })
  await until(async () => (await shown(page)).at(-1) === texts(ann, session).at(-1), 'the last one on the page')
  // The page shows the agent's order: what is in view is its end.
  const view = await shown(page)
  expect(texts(ann, session).slice(-view.length)).toEqual(view)
  p.calm()
  await p.close()
})

it('keeps what was written over a reload without a connection', async () => {
  const { ann, p, page, session } = await served()
  await server.kill()
  await page.getByText(/No connection|Connecting/).waitFor()
  await write(page, 'written in a tunnel')
  await page.locator('.bh-row .bh-spinner').waitFor()
  await server.run()
  await page.reload()
  await until(() => texts(ann, session).includes('written in a tunnel'), 'the message')
  await page.getByText('written in a tunnel').waitFor()
  expect(texts(ann, session).filter((s) => s === 'written in a tunnel')).toHaveLength(1)
  await p.close()
})

it('keeps a second tab and a second device in step', async () => {
  const { ann, p, page, session, queue, id } = await served()
  const tab = await p.tab()
  await tab.goto(await at(server, 'chat', 'user', id, { name: 'Uma 小满', hash: `queue=${queue}` }))
  const phone = await user({ phone: true }, queue, id)
  for (const [i, from] of [page, tab, phone.page].entries()) {
    await from.getByText('Ann 安 is here for you').waitFor()
    await write(from, `from ${i}`)
  }
  void ann.send(session, 'to all')
  for (const there of [page, tab, phone.page]) {
    await there.getByText('to all').waitFor()
    await until(async () => (await shown(there)).length === 4, 'four messages')
    expect((await shown(there)).toSorted()).toEqual(['from 0', 'from 1', 'from 2', 'to all'])
  }
  await ann.end(session, { force: true })
  for (const there of [page, tab, phone.page]) await there.getByText('How was it?').waitFor()
  await phone.close()
  await p.close()
})

const hostile: Record<string, string> = {
  html: '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script><b>bold</b>',
  override: '\u202Egnorw era uoy\u202E \u2066abc \u200F\u061C end',
  long: 'x'.repeat(16_000),
  chinese: '长'.repeat(5000),
  emoji: '😀'.repeat(200),
  lines: Array.from({ length: 300 }, (_, i) => `line ${i}`).join('\n'),
  zalgo: 'Z̷̡̛͚̹͈̫̱̞͇̟͎̺̝̋̀͐̎́͋͂̆̍̚͝ͅå̸'.repeat(40),
  link: 'javascript:alert(1) https://example.com/"><script>alert(1)</script>',
}

for (const phone of [true, false]) {
  it(`shows hostile texts as text, and the layout holds: ${phone ? 'phone' : 'desktop'}`, async () => {
    const { ann, p, page, session } = await served({ phone })
    for (const [what, text] of Object.entries(hostile)) {
      const { seq } = await ann.send(session, text)
      await until(async () => (await page.locator('.bh-text').last().textContent()) === text, what)
      expect(seq).toBeGreaterThan(0)
      const fits = await page.evaluate(() => ({ page: document.documentElement.scrollWidth <= innerWidth, bubbles: [...document.querySelectorAll('.Bubble')].every((b) => b.getBoundingClientRect().right <= innerWidth && b.getBoundingClientRect().left >= 0) }))
      expect(fits, what).toEqual({ page: true, bubbles: true })
    }
    expect(await page.locator('.bh-text img, .bh-text script, .bh-text b').count()).toBe(0)
    expect(await page.title()).not.toBe('owned')
    expect(await page.locator('.bh-text a').evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).protocol))).toEqual(['https:'])
    await p.shot(`chat-hostile-${phone ? 'phone' : 'desktop'}`)
    p.calm()
    await p.close()
  })
}

it('scrolls smoothly through 5,000 messages', async () => {
  const { ann, p, page, session } = await served()
  const all: Promise<unknown>[] = []
  for (let i = 1; i <= 5000; i++) all.push(ann.send(session, i % 7 ? `message ${i}` : `message ${i} ${'is a longer one '.repeat((i % 5) + 1)}`))
  await Promise.all(all)
  await page.getByText('message 5000', { exact: false }).waitFor()
  await page.reload()
  await page.getByText('message 5000', { exact: false }).waitFor()
  await page.evaluate(() => {
    const w = window as unknown as { frames_: number[] }
    w.frames_ = []
    let last = performance.now()
    const tick = (now: number) => {
      w.frames_.push(now - last)
      last = now
      requestAnimationFrame(tick)
    }
    requestAnimationFrame(tick)
  })
  await page.locator('.bh-scroll').hover()
  let rows = 0
  const seen = new Set<number>()
  for (let i = 0; i < 4000; i++) {
    const view = await page.locator('.bh-text').allTextContents()
    rows = Math.max(rows, view.length)
    const numbers = view.map((s) => Number(/message (\d+)/.exec(s)?.[1]))
    expect(numbers).toEqual(numbers.map((_, k) => numbers[0]! + k))
    for (const k of numbers) seen.add(k)
    if (numbers[0] === 1) break
    // A wheel turned twice before the first turn is shown would pass by what is between.
    const moved = page.evaluate(() => new Promise<void>((done) => {
      document.querySelector('.bh-scroll')!.addEventListener('scroll', () => requestAnimationFrame(() => done()), { once: true })
      setTimeout(done, 1000)
    }))
    await page.mouse.wheel(0, -500)
    await moved
  }
  expect(seen.size).toBe(5000)
  expect(rows).toBeLessThan(200)
  const frames = (await page.evaluate(() => (window as unknown as { frames_: number[] }).frames_)).toSorted((a, b) => a - b)
  const at = (q: number) => Math.round(frames[Math.floor(frames.length * q)]!)
  console.info(`scrolling 5,000 messages: frames of ${at(0.5)} ms (median), ${at(0.95)} ms (95 %), ${at(0.99)} ms (99 %); at most ${rows} rows`)
  expect(at(0.95)).toBeLessThan(60)
  p.calm()
  await p.close()
}, 240_000)
