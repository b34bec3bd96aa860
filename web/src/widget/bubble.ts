import type { FromWidget, ToWidget } from '../chat/embed'
import { local } from '../lib/store'
import { Follow } from './follow'
import { frameAddress, sameVisitor, visitor, type Options } from './options'
import { Tabs } from './tabs'
import { View } from './view'
import { warn } from './warn'

/** Remembers on this site that its visitor has chatted, so that there may be something to wait for. */
const chatted = 'bellhop:chatted'

/** This browser's own name for its badge. */
const badge = 'bellhop:badge'

/** The bubble on a page. Open, the frame tells the unread count; closed, a connection does that one tab has for all of the site's. */
export class Bubble {
  private view: View
  private tabs: Tabs
  private follow?: Follow
  private site = location.origin
  private origin: string
  private unread?: number

  constructor(readonly server: string, private opt: Options, nonce?: string) {
    this.origin = new URL(server).origin
    this.view = new View({
      ...this.look(),
      nonce,
      onToggle: () => (this.view.frame ? this.close() : this.open()),
      onEscape: () => this.close(),
    })
    this.tabs = new Tabs({ name: `bellhop ${server} ${visitor(opt)}`, onChange: this.settle, onUnread: this.heard, unread: () => this.unread })
    addEventListener('message', this.hear)
    for (const e of ['pageshow', 'resume']) addEventListener(e, this.wake, true)
    for (const e of ['pagehide', 'freeze']) addEventListener(e, this.sleep, true)
    this.wake()
  }

  get isOpen() {
    return Boolean(this.view.frame)
  }

  open(focus = true) {
    if (this.view.frame) return
    local.setItem(chatted, '1')
    this.view.open(frameAddress(this.server, this.site, this.opt), focus)
    this.settle()
    this.tabs.take() // the chat's own connection tells enough: no tab needs another
  }

  close() {
    if (!this.view.frame) return
    this.view.close()
    this.settle()
  }

  /** Goes on by what a script says that was run again, as sites with Turbo do at each visit; false for another visitor or server. */
  renew(server: string, opt: Options) {
    if (server !== this.server || !sameVisitor(opt, this.opt)) return false
    this.opt = opt
    this.view.look(this.look())
    if (this.wanted()) this.tabs.want()
    return true
  }

  destroy() {
    removeEventListener('message', this.hear)
    for (const e of ['pageshow', 'resume']) removeEventListener(e, this.wake, true)
    for (const e of ['pagehide', 'freeze']) removeEventListener(e, this.sleep, true)
    this.sleep()
    this.view.remove()
  }

  private look() {
    const { lang, color, position } = this.opt
    return { lang: lang ?? (document.documentElement.lang || navigator.language), color, position }
  }

  // A token in the page is there anyway; to get one may cost the site something.
  private wanted() {
    return Boolean(this.opt.eager) || typeof this.opt.token === 'string' || local.getItem(chatted) !== null
  }

  private wake = () => {
    this.tabs.start(this.wanted())
    if (this.view.frame) this.tabs.take()
  }

  private sleep = () => this.tabs.stop()

  /** Has a connection of the badge's own, or not. */
  private settle = () => {
    if (!this.tabs.leading || this.view.frame) {
      this.follow?.stop()
      this.follow = undefined
    } else
      this.follow ??= new Follow({
        server: this.server,
        token: () => (typeof this.opt.token === 'string' ? this.opt.token : this.opt.token()),
        device: device(),
        onUnread: this.count,
        onEnd: (why) => {
          if (why !== 'replaced') warn(`no connection: ${why}`)
          this.tabs.pass()
        },
      })
  }

  private count = (unread: number) => {
    if (unread !== this.unread) this.view.setUnread((this.unread = unread))
    this.tabs.told(unread)
  }

  /** Another tab tells: then this visitor has chatted there. */
  private heard = (unread: number) => {
    if (this.view.frame) return
    this.count(unread)
    this.tabs.want()
  }

  private hear = (e: MessageEvent<ToWidget | null>) => {
    const frame = this.view.frame
    if (!frame || e.source !== frame.contentWindow || e.origin !== this.origin || !e.data) return
    switch (e.data.bellhop) {
      case 'token?':
        return void this.giveToken(frame)
      case 'unread':
        return this.count(Number(e.data.unread) || 0)
      case 'close':
        return this.close()
    }
  }

  /** The frame waits for a token: what fails is tried again, while the frame is open. */
  private async giveToken(frame: HTMLIFrameElement) {
    for (let pause = 1000; this.view.frame === frame; pause = Math.min(2 * pause, 30_000)) {
      try {
        const token = typeof this.opt.token === 'string' ? this.opt.token : await this.opt.token()
        return frame.contentWindow?.postMessage({ bellhop: 'token', token } satisfies FromWidget, this.origin)
      } catch (e) {
        warn('no token', e)
      }
      await new Promise((done) => setTimeout(done, pause))
    }
  }
}

/**
 * The same on all pages of this browser: whatever happens, its badge has one of the visitor's places and no more. Where a browser
 * remembers nothing, it is the site's.
 */
function device() {
  const id = local.getItem(badge) ?? `badge-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('')}`
  local.setItem(badge, id)
  return local.lasts(badge) ? id : `badge@${location.host}`.slice(0, 64)
}
