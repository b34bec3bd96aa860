import { attributes, serverAddress, type Options } from './options'
import { warn } from './warn'
import { Bubble } from './bubble'

export type { Options }

// This script's own address says where the server is.
const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined

/** What all runs of this script on a page share: where a site runs it again, as Turbo does, the next one takes the first one over. */
interface Shared {
  bubble?: Bubble
  /** Where the script came from. */
  src?: string
}
const place = Symbol.for('bellhop.widget')
const shared = ((globalThis as { [place]?: Shared })[place] ??= {})
shared.src = script?.src || shared.src

/** Puts the bubble on the page. One that is there goes on, by these options; another visitor's goes. */
export function init(options: Options) {
  guarded(() => {
    if (!options?.token) throw new Error('init: a token is required')
    const server = options.server ?? (shared.src && new URL('.', shared.src).href)
    if (!server) throw new Error('init: where is the server?')
    if (!location.origin.startsWith('http')) throw new Error('init: this page has no address of http')
    whenReady(() => {
      const address = serverAddress(server)
      if (shared.bubble?.renew(address, options)) return
      const open = shared.bubble?.isOpen
      destroy()
      shared.bubble = new Bubble(address, options, script?.nonce)
      if (open) shared.bubble.open(false)
    })
  })
}

export function open() {
  guarded(() => shared.bubble?.open())
}

export function close() {
  guarded(() => shared.bubble?.close())
}

/** Takes the bubble away, and the connection with it. */
export function destroy() {
  guarded(() => shared.bubble?.destroy())
  shared.bubble = undefined
}

function whenReady(then: () => void) {
  if (document.body) then()
  else document.addEventListener('DOMContentLoaded', () => guarded(then), { once: true })
}

function guarded(what: () => void) {
  try {
    what()
  } catch (e) {
    warn('the chat does not work', e)
  }
}

guarded(() => {
  const options = script && attributes(script.dataset)
  if (options) init(options)
})
