import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { Person } from './browser.js'
import { ann, badge, browser, bubble, eventually, frame, site, useSite } from './site.js'
import { until } from './world.js'

useSite()

const bubbles = (page: Page) => page.locator('bellhop-widget').count()

/** A page of the site; links to the others are in it. */
const page = (head: string, body: (path: string) => string) => (path: string) =>
  `<!doctype html><html lang="en"><head><title>${path}</title>${head}</head><body>${body(path)}</body></html>`
const links = ['/one', '/two', '/three'].map((p) => `<a href="${p}">${p}</a>`).join(' ')
const main = (path: string) => `<main><h1>page ${path}</h1>${links}</main>`

/** Visits each of the pages by a click, as often as there are clicks. */
async function browse(p: Page, clicks: number) {
  for (let i = 1; i <= clicks; i++) {
    const to = ['/one', '/two', '/three'][i % 3]!
    const there = p.getByRole('heading', { name: `page ${to}` })
    // A link that is replaced between press and release is not clicked: whoever browses clicks once more.
    await until(async () => {
      await p.click(`a[href="${to}"]`)
      return there.waitFor({ timeout: 5_000 }).then(() => true, () => false)
    }, to)
  }
}

/** Turbo's other ways: back and forward from its cache, and the same page once more, which may morph. */
async function again(p: Page) {
  if (!(await p.evaluate(() => 'Turbo' in window))) return
  await p.goBack()
  await p.goForward()
  await p.getByRole('heading', { name: 'page /two' }).waitFor()
  const done = p.evaluate(() => new Promise((done) => addEventListener('turbo:load', done, { once: true })).then(() => 0))
  await p.evaluate(() => (window as unknown as { Turbo: { visit: (a: string, o: object) => void } }).Turbo.visit(location.href, { action: 'replace' }))
  await done
}

const kinds: Record<string, () => (path: string) => string> = {
  'Turbo, the script in the head': () => page(`<script src="/turbo.js"></script>${site.tag()}`, main),
  'Turbo, the script in the body': () => page('<script src="/turbo.js"></script>', (path) => main(path) + site.tag()),
  'Turbo, a script that each page has with other attributes': () => (path) => page(`<script src="/turbo.js"></script>${site.tag(`data-subject="${path}"`)}`, main)(path),
  'Turbo, init in the body': () =>
    page(`<script src="/turbo.js"></script><script src="${site.bellhop.url}/widget.js"></script>`, (path) => `${main(path)}<script>Bellhop.init({ lang: 'en', token: () => fetch('/token', { method: 'POST' }).then((r) => r.json()).then((a) => a.token) })</script>`),
  'Turbo that morphs': () => page(`<meta name="turbo-refresh-method" content="morph"><script src="/turbo.js"></script>`, (path) => main(path) + site.tag()),
  'htmx boost': () => page(`<script src="/htmx.js"></script>`, (path) => `<div>${main(path).replaceAll('<a ', '<a hx-boost="true" ')}</div>${site.tag()}`),
  // What Astro's router, Livewire and others do: another body, its scripts run again.
  'a body that is another one': () => page('', (path) => main(path) + site.tag() + swapper('document.body.replaceWith(next.body)')),
  'pjax, a part that is another one': () => page('', (path) => `<div id="pjax">${main(path)}${site.tag()}</div>` + swapper(`document.getElementById('pjax').replaceWith(next.getElementById('pjax'))`)),
}

/** Visits by fetch, as libraries for that do it: `swap` puts what is of `next` into the page. */
const swapper = (swap: string) => `<script>
  if (!window.visits) window.visits = addEventListener('click', async (e) => {
    const a = e.target.closest('a')
    if (!a) return
    e.preventDefault()
    const next = new DOMParser().parseFromString(await (await fetch(a.href)).text(), 'text/html')
    history.pushState(null, '', a.href)
    ${swap}
    for (const old of document.body.querySelectorAll('script')) {
      const s = document.createElement('script')
      for (const { name, value } of old.attributes) s.setAttribute(name, value)
      s.textContent = old.textContent
      old.replaceWith(s)
    }
  }) || true
</script>`

for (const [kind, make] of Object.entries(kinds)) {
  it(`stays, with one bubble and one connection, over visits of ${kind}`, async () => {
    site.page = make()
    const p = await Person.open(browser)
    const before = await site.connections()
    await p.page.goto(`${site.url}/one`)
    await bubble(p.page).waitFor()
    await p.page.evaluate(() => Object.assign(window, { same: true }))
    await browse(p.page, 4)
    expect(await bubbles(p.page)).toBe(1)
    expect(await site.connections()).toBe(before) // nobody has asked for anything yet

    const session = await site.chat(p.page)
    await frame(p.page).getByRole('textbox').fill('half a sen')
    await browse(p.page, 4)
    await again(p.page)
    expect(await bubbles(p.page)).toBe(1)
    // The frame was neither moved nor loaded again.
    expect(await frame(p.page).getByRole('textbox').inputValue()).toBe('half a sen')
    await eventually(() => site.connections(), before + 1)

    await bubble(p.page).click()
    await ann.send(session, 'one')
    await eventually(() => badge(p.page).textContent(), '1')
    await browse(p.page, 25) // more than a participant may have connections
    await ann.send(session, 'two')
    await eventually(() => badge(p.page).textContent(), '2')
    expect(await bubbles(p.page)).toBe(1)
    await eventually(() => site.connections(), before + 1)
    await bubble(p.page).click()
    await frame(p.page).getByText('two').waitFor()
    await eventually(() => badge(p.page).isHidden(), true)
    expect(await p.page.evaluate(() => 'same' in window)).toBe(true) // no visit was a load
    await ann.end(session, { force: true })
    p.calm(kind.startsWith('Turbo') ? ['error: signal is aborted without reason'] : []) // so Turbo says that a visit was overtaken
    await p.close()
    await eventually(() => site.connections(), before)
  })
}

it('comes back where all of the page is replaced, and does not fight with who takes it away', async () => {
  site.page = page(site.tag(), main)
  const p = await Person.open(browser)
  await p.page.goto(`${site.url}/one`)
  await bubble(p.page).waitFor()
  await p.page.evaluate(() => {
    document.documentElement.innerHTML = '<head></head><body><p>another</p></body>'
  })
  await eventually(() => bubbles(p.page), 1)
  await p.page.evaluate(() => {
    const html = document.createElement('html')
    html.append(document.createElement('head'), document.createElement('body'))
    document.replaceChild(html, document.documentElement)
  })
  await eventually(() => bubbles(p.page), 1)
  const session = await site.chat(p.page)
  const taken = await p.page.evaluate(async () => {
    let n = 0
    const o = new MutationObserver(() => {
      const w = document.querySelector('bellhop-widget')
      if (w) n++
      w?.remove()
    })
    o.observe(document.documentElement, { childList: true })
    document.querySelector('bellhop-widget')!.remove()
    await new Promise((done) => setTimeout(done, 1500))
    o.disconnect()
    return n
  })
  expect(taken).toBeLessThan(5)
  await eventually(() => bubbles(p.page), 1)
  await frame(p.page).getByText('Ann is here for you').waitFor()
  await p.page.evaluate(() => (window as unknown as { Bellhop: { destroy: () => void } }).Bellhop.destroy())
  await p.page.waitForTimeout(1200)
  expect(await bubbles(p.page)).toBe(0)
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
})

it('takes over what another page says of it: colour, side, language, subject', async () => {
  site.page = (path) => page('<script src="/turbo.js"></script>', (path) => main(path) + site.tag(path === '/two' ? 'data-color="rgb(200, 0, 0)" data-position="left" data-subject="Two"' : '').replace('"en"', path === '/two' ? '"zh"' : '"en"'))(path)
  const p = await Person.open(browser)
  await p.page.goto(`${site.url}/one`)
  await bubble(p.page).waitFor()
  const look = () => p.page.evaluate(() => {
    const button = document.querySelector('bellhop-widget')!.shadowRoot!.querySelector('button')!
    return { label: button.ariaLabel, color: getComputedStyle(button).backgroundColor, left: button.getBoundingClientRect().left < 100 }
  })
  const first = await look()
  expect(first).toMatchObject({ label: 'Chat with us', left: false })
  await p.page.click('a[href="/two"]')
  await eventually(look, { label: '联系客服', color: 'rgb(200, 0, 0)', left: true })
  await p.page.click('a[href="/three"]')
  await eventually(look, first)
  p.calm()
  await p.close()
})

it("gives another visitor another chat, on a page that is not loaded anew", async () => {
  let user = 'uma'
  site.page = (path) => page('<script src="/turbo.js"></script>', (path) => main(path) + site.tag(`data-user="${user}"`))(path)
  site.visitor = 'uma'
  const p = await Person.open(browser)
  await p.page.goto(`${site.url}/one`)
  await bubble(p.page).waitFor()
  const before = await site.connections()
  const session = await site.chat(p.page)
  await ann.send(session, "for uma's eyes")
  await frame(p.page).getByText("for uma's eyes").waitFor()
  user = 'vic'
  site.visitor = 'vic'
  await p.page.click('a[href="/two"]')
  await frame(p.page).getByRole('button', { name: 'Start' }).waitFor()
  expect(await frame(p.page).getByText("for uma's eyes").count()).toBe(0)
  await eventually(() => site.connections(), before + 1)
  await ann.end(session, { force: true })
  p.calm()
  await p.close()
})
