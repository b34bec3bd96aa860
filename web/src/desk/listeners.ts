import type { Event } from 'bellhop-client'

/** Those who want every event of the page's client: sounds, notifications. */
export const listeners = new Set<(e: Event) => void>()
