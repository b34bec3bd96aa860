import { useCallback, useEffect, useRef, useState } from 'react'
import { serverNow } from '../lib/serverTime'
import { useClient } from '../lib/useClient'
import { expiring, linksOf, ownFile, type Link } from './links'

export interface Linked {
  /** Undefined until it is here, null where there is none. */
  link: Link | null | undefined
  /** One that works now: at once where the one that is here does. Null where there is none. */
  current: () => Link | Promise<Link | null>
  /** For who was refused with an address of it: another one, or null where that was as good as new. */
  renew: (refused: string) => Promise<Link | null>
}

/** What was made for who was refused, and is as young as this, in ms, is refused for another reason than its age. */
const young = 10_000

/** After how long what no answer came to is asked again, in ms. */
const again = 3000

const made = (l: Link | undefined, address: string) => l && [l.url, l.thumbnail].some((u) => u && new URL(u, location.href).href === address)

/** The addresses of a file that `<img>` and the like can load, fresh ones in time. */
export function useLink(url: string): Linked {
  const client = useClient()
  const path = ownFile(url)
  const [link, set] = useState<Link | null | undefined>(path ? undefined : null)
  const held = useRef<Link>(undefined)
  const here = useRef(false)
  const renewed = useRef<Link>(undefined)
  const take = useCallback((l: Link | null) => {
    held.current = l ?? undefined
    set(l)
    return l
  }, [])
  useEffect(() => {
    if (!path) return
    here.current = true
    const links = linksOf(client)
    const stop = links.show(path, take)
    links.get(path).then((l) => here.current && take(l)).catch(() => {}) // without a connection; it is asked for again
    return () => {
      here.current = false
      stop()
    }
  }, [client, path, take])

  const fresh = useCallback(async () => {
    while (path && here.current) {
      try {
        return take(await linksOf(client).fresh(path))
      } catch {
        await new Promise((done) => setTimeout(done, again)) // without a connection nothing is known of it
      }
    }
    return null
  }, [client, path, take])
  const current = useCallback(() => (held.current && !expiring(held.current) ? held.current : fresh()), [fresh])
  const renew = useCallback(
    async (refused: string) => {
      const l = held.current
      if (l && !made(l, refused)) return l // there is another one already
      if (l && l === renewed.current && serverNow() - l.at < young) return null
      const another = await fresh()
      renewed.current = another ?? undefined
      return another
    },
    [fresh],
  )
  return { link, current, renew }
}
