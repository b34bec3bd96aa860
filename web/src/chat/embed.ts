import type { Client } from 'bellhop-client'
import { parseJSON } from '../lib/safe'

/** What the widget and this page say to each other, when the page is in the widget's frame. */
export type FromWidget = { bellhop: 'token'; token: string }
export type ToWidget = { bellhop: 'ready' } | { bellhop: 'token?' } | { bellhop: 'unread'; unread: number } | { bellhop: 'close' }

const options = new URLSearchParams(location.hash.slice(1))

// The site that shows the frame; the server names in the page's policy who may. Messages go to and are taken from it alone.
const host = options.get('embed')

const tell = (m: ToWidget) => host && parent.postMessage(m, host)

let waiting: ((token: string) => void)[] = []

export const embed = {
  active: Boolean(host) && parent !== window,
  meta: metaOf(options.get('meta')),

  /** Asks the site for a token. */
  token: () =>
    new Promise<string>((done) => {
      waiting.push(done)
      tell({ bellhop: 'token?' })
    }),

  /** Keeps the widget's badge right. */
  follow(client: Client) {
    if (!this.active) return
    let told = -1
    client.subscribe(() => {
      if (client.state.me && client.state.unread !== told) tell({ bellhop: 'unread', unread: (told = client.state.unread) })
    })
  },

  close: () => tell({ bellhop: 'close' }),
}

if (embed.active) {
  addEventListener('message', (e: MessageEvent<FromWidget | null>) => {
    if (e.source !== parent || e.origin !== host) return
    if (e.data?.bellhop === 'token') {
      for (const done of waiting) done(e.data.token)
      waiting = []
    }
  })
  // Whatever takes Escape for itself prevents the default.
  addEventListener('keydown', (e) => {
    if (e.key === 'Escape' && !e.defaultPrevented && !document.querySelector('dialog[open]')) embed.close()
  })
  tell({ bellhop: 'ready' })
}

function metaOf(json: string | null): object | undefined {
  const v = parseJSON(json)
  return typeof v === 'object' && v ? v : undefined
}
