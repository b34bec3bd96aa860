import { sleep } from './backoff.js'
import type { BellhopError, Session } from './types.js'

type List = (page: { limit: number; cursor?: string }) => Promise<{ sessions: Session[]; cursor: string }>

/** Pages through a list to its end: as long as a page has one that is wanted, and until there are enough. */
export async function pages(list: List, wanted: (s: Session) => boolean, enough: number) {
  const all: Session[] = []
  for (let cursor = '', tries = 0; ; ) {
    try {
      const page = await list({ limit: Math.min(200, enough), cursor: cursor || undefined })
      const found = page.sessions.filter(wanted)
      all.push(...found)
      cursor = page.cursor
      if (!cursor || !found.length || all.length >= enough) return all.slice(0, enough)
    } catch (e) {
      const { code, retry, retryAfter = 1000 } = e as BellhopError
      if (!retry || (code !== 'rate_limited' && ++tries > 5)) throw e
      await sleep(retryAfter)
    }
  }
}
