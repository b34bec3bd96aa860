import type { BellhopError, Client } from 'bellhop-client'
import { ownAddress } from '../lib/safe'
import { serverNow } from '../lib/serverTime'

/** Addresses of a file that work without a token, for an hour. */
export interface Link {
  url: string
  /** A still picture. */
  thumbnail?: string
  /** Whether the picture moves. */
  animated?: boolean
  expires: string
  /** When it was made, in ms of the epoch. */
  at: number
}

/** The path of one of this server's files; others' addresses are never loaded by themselves: they could tell who looks at them. */
export const ownFile = (url: string) => (url ? /\/api\/v1(\/files\/[\w-]+)$/.exec(ownAddress(url)?.pathname ?? '')?.[1] : undefined)

/** How long before its end a link is taken for one that has expired, and how often that is looked at, in ms. */
const margin = 60_000
const look = 15_000

interface Kept {
  link?: Link
  refused?: boolean
  asking?: Promise<Link | null>
  shown: Set<(l: Link) => void>
}

/** The links of one client's page, each asked for once. What is shown gets another one before its own expires. */
export class Links {
  private kept = new Map<string, Kept>()
  private timer?: ReturnType<typeof setInterval>

  constructor(private client: Client) {}

  private of(path: string) {
    const k = this.kept.get(path) ?? { shown: new Set() }
    this.kept.set(path, k)
    return k
  }

  /** A link that works for a while; null where there is none for who asks. */
  async get(path: string) {
    const { link } = this.of(path)
    return link && !expiring(link) ? link : this.fresh(path)
  }

  /** A new link, told to all that show the file, too. Rejects where nothing is known of it, as without a connection. */
  fresh(path: string): Promise<Link | null> {
    const k = this.of(path)
    return (k.asking ??= this.client
      .request<Link>(`${path}/link`)
      .then((l) => {
        k.link = { ...l, at: serverNow() }
        for (const f of k.shown) f(k.link)
        return k.link
      })
      .catch((e: BellhopError) => {
        if (e.retry) throw e
        k.refused = true
        return null
      })
      .finally(() => (k.asking = undefined)))
  }

  /** Tells of each new link until the answer is called. */
  show(path: string, f: (l: Link) => void) {
    this.of(path).shown.add(f)
    this.timer ??= setInterval(this.renew, look)
    document.addEventListener('visibilitychange', this.renew) // a device that slept kept no timer going
    return () => {
      this.of(path).shown.delete(f)
      if ([...this.kept.values()].some((k) => k.shown.size)) return
      clearInterval(this.timer)
      this.timer = undefined
      document.removeEventListener('visibilitychange', this.renew)
    }
  }

  private renew = () => {
    for (const [path, { link, refused, shown }] of this.kept) {
      if (shown.size && (link ? expiring(link) : !refused)) void this.fresh(path).catch(() => {}) // the next look asks again
    }
  }
}

export const expiring = (l: Link) => !(Date.parse(l.expires) - serverNow() > margin)

const all = new WeakMap<Client, Links>()

export function linksOf(client: Client) {
  const l = all.get(client) ?? new Links(client)
  all.set(client, l)
  return l
}
