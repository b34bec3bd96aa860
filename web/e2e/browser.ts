import axe from 'axe-core'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type LaunchOptions, type Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Server } from '../../clients/js/test/server.js'

const shots = join(import.meta.dirname, '../../bin/screenshots')

/** Debian's Chromium, with a microphone that hums. It plays sounds at once, unless it is to wait for a click as people's do. */
export function launch({ autoplay = true, ...more }: LaunchOptions & { autoplay?: boolean } = {}): Promise<Browser> {
  return chromium.launch({ ...options(autoplay), ...more })
}

/** A browser with settings of its own, such as those for site data: `profile` as Chromium's Preferences have it. */
export async function launchWith(profile: object): Promise<BrowserContext> {
  const dir = mkdtempSync(join(tmpdir(), 'bellhop-profile-'))
  mkdirSync(join(dir, 'Default'))
  writeFileSync(join(dir, 'Default/Preferences'), JSON.stringify({ profile }))
  const context = await chromium.launchPersistentContext(dir, { ...options(), locale: 'en-GB' })
  // It still writes there for a moment.
  context.on('close', () => void rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }).catch(() => {}))
  return context
}

function options(autoplay = true) {
  return {
    executablePath: execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser || command -v google-chrome'], { encoding: 'utf8' }).trim(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--autoplay-policy=${autoplay ? 'no-user-gesture-required' : 'document-user-activation-required'}`],
  }
}

export interface View {
  lang?: 'zh-CN' | 'en-GB'
  dark?: boolean
  phone?: boolean
  /** Wants what moves to move. */
  moving?: boolean
}

/** A person's browser. A breach of the page's policy, or an error in its console, fails the test that calls `calm`. */
export class Person {
  readonly complaints: string[] = []
  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(browser: Browser, v: View = {}) {
    const context = await browser.newContext({
      locale: v.lang ?? 'en-GB',
      colorScheme: v.dark ? 'dark' : 'light',
      viewport: v.phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
      hasTouch: Boolean(v.phone),
      isMobile: Boolean(v.phone),
      deviceScaleFactor: v.phone ? 2 : 1,
      permissions: ['microphone', 'clipboard-read', 'clipboard-write', 'notifications'],
      timezoneId: 'Asia/Shanghai',
      reducedMotion: v.moving ? 'no-preference' : 'reduce',
    })
    return Person.in(context)
  }

  static async in(context: BrowserContext) {
    const p = new Person(context, await context.newPage())
    p.page.setDefaultTimeout(20_000)
    p.listen(p.page)
    return p
  }

  /** Another tab of the same browser. */
  async tab() {
    const page = await this.context.newPage()
    this.listen(page)
    return page
  }

  private listen(page: Page) {
    page.on('pageerror', (e) => this.complaints.push(`error: ${e.message}`))
    page.on('console', (m) => {
      // A server that is away is reported by the browser itself.
      if (m.type() === 'error' && !/WebSocket connection to|Failed to load resource|ERR_CONNECTION/.test(m.text())) this.complaints.push(m.text())
    })
  }

  calm(but: string[] = []) {
    expect(this.complaints.filter((c) => !but.includes(c))).toEqual([])
  }

  /** Keeps a picture of the page, in bin/screenshots, and has axe look for what keeps people out. */
  async shot(name: string) {
    mkdirSync(shots, { recursive: true })
    await this.page.screenshot({ path: join(shots, `${name}.png`) })
    await this.page.evaluate(axe.source)
    const found = await this.page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }))
    const grave = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
    expect(grave.map((v) => `${name}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(' | ')}`)).toEqual([])
  }

  async close() {
    await this.context.close()
  }
}

/** The address at which a participant is on a page. */
export async function at(server: Server, page: 'chat' | 'desk', role: string, id: string, more: { name?: string; queues?: string[]; capacity?: number; hash?: string } = {}) {
  const { hash, ...rest } = more
  const token = await server.token(role, id, rest)
  return `${server.url}/${page}#token=${token}${hash ? `&${hash}` : ''}`
}

/** Wheels by `dy` over the messages, where the pointer is; says what is there once the page has drawn it, and which end of the list that is. */
export async function scroll(page: Page, dy: number) {
  await page.mouse.wheel(0, dy)
  return page.locator('.bh-scroll').evaluate(async (l) => {
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame)
    return { top: l.scrollTop <= 0, bottom: l.scrollTop + l.clientHeight >= l.scrollHeight - 2, texts: [...l.querySelectorAll('.bh-text')].map((t) => t.textContent) }
  })
}
