import type { Event } from 'bellhop-client'

/** Those who want every event of the page's client: sounds, notifications. */
export const listeners = new Set<(e: Event) => void>()

/** Tells them all, whatever one of them throws. */
export function tellAll(e: Event) {
  for (const listener of [...listeners]) {
    try {
      listener(e)
    } catch (x) {
      reportError(x)
    }
  }
}
