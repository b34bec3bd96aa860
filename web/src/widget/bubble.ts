import { Client } from 'bellhop-client'
import type { FromWidget, ToWidget } from '../chat/embed'
import { frameAddress, type Options } from './options'
import { View } from './view'
import { warn } from './warn'

/** Remembers on this site that its visitor has chatted, so that there may be something to wait for. */
const slot = 'bellhop:chatted'

/** The bubble on a page. Closed, it follows the unread count by a connection of its own; open, the frame tells it. */
export class Bubble {
  private view: View
  private client?: Client
  private site = location.origin
  private origin: string
  private wanted: boolean

  constructor(private server: string, private opt: Options, nonce?: string) {
    this.origin = new URL(server).origin
    this.view = new View({
      lang: opt.lang ?? (document.documentElement.lang || navigator.language),
      color: opt.color,
      position: opt.position,
      nonce,
      onToggle: () => (this.view.frame ? this.close() : this.open()),
      onEscape: () => this.close(),
    })
    addEventListener('message', this.hear)
    addEventListener('pagehide', this.unfollow) // a page with a connection is not kept for going back to it
    addEventListener('pageshow', this.shown)
    // A token in the page is there anyway; to get one may cost the site something.
    this.wanted = opt.eager || typeof opt.token === 'string' || chatted()
    this.follow()
  }

  open() {
    if (this.view.frame) return
    this.wanted = true
    this.unfollow()
    remember()
    this.view.open(frameAddress(this.server, this.site, this.opt))
  }

  close() {
    if (!this.view.frame) return
    this.view.close()
    this.follow()
  }

  destroy() {
    removeEventListener('message', this.hear)
    removeEventListener('pagehide', this.unfollow)
    removeEventListener('pageshow', this.shown)
    this.unfollow()
    this.view.remove()
  }

  private follow() {
    if (!this.wanted) return
    const client = new Client({ url: this.server, token: this.opt.token })
    this.client = client
    client.subscribe(() => {
      if (client !== this.client) return
      if (client.state.me) this.view.setUnread(client.state.unread)
      if (client.state.status === 'closed') warn(`no connection: ${client.state.reason}`)
    })
    client.start()
  }

  private unfollow = () => {
    const client = this.client
    this.client = undefined
    client?.close()
  }

  private shown = (e: PageTransitionEvent) => {
    if (e.persisted && !this.view.frame) this.follow()
  }

  private hear = (e: MessageEvent<ToWidget | null>) => {
    const frame = this.view.frame
    if (!frame || e.source !== frame.contentWindow || e.origin !== this.origin || !e.data) return
    switch (e.data.bellhop) {
      case 'token?':
        return void this.giveToken(frame)
      case 'unread':
        return this.view.setUnread(Number(e.data.unread) || 0)
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

function chatted() {
  try {
    return localStorage.getItem(slot) !== null
  } catch {
    return false // storage is off in this browser
  }
}

function remember() {
  try {
    localStorage.setItem(slot, '1')
  } catch {
    // Then the badge is quiet until the chat is opened again.
  }
}
