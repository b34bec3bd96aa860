import { attributes, serverAddress, type Options } from './options'
import { warn } from './warn'
import { Bubble } from './bubble'

export type { Options }

// This script's own address says where the server is.
const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined

let bubble: Bubble | undefined

/** Puts the bubble on the page, in place of an earlier one of this script. */
export function init(options: Options) {
  guarded(() => {
    if (!options?.token) throw new Error('init: a token is required')
    const server = options.server ?? (script && new URL('.', script.src).href)
    if (!server) throw new Error('init: where is the server?')
    if (!location.origin.startsWith('http')) throw new Error('init: this page has no address of http')
    whenReady(() => {
      destroy()
      if (document.querySelector('bellhop-widget')) throw new Error('init: there is one on this page already')
      bubble = new Bubble(serverAddress(server), options, script?.nonce)
    })
  })
}

export function open() {
  guarded(() => bubble?.open())
}

export function close() {
  guarded(() => bubble?.close())
}

/** Takes the bubble away, and the connection with it. */
export function destroy() {
  guarded(() => bubble?.destroy())
  bubble = undefined
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
