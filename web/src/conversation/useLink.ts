import type { Client, FileBody } from 'bellhop-client'
import { useEffect, useState } from 'react'
import { ownAddress } from '../lib/safe'
import { useClient } from '../lib/useClient'

interface Link {
  url: string
  thumbnail?: string
  expires: string
}

const links = new WeakMap<Client, Map<string, Promise<Link>>>()

/** The path of one of this server's files; others' addresses are never loaded by themselves: they could tell who looks at them. */
export const ownFile = (url: string) => (url ? /\/api\/v1(\/files\/[\w-]+)$/.exec(ownAddress(url)?.pathname ?? '')?.[1] : undefined)

/** Addresses of a file that `<img>` and the like can load; undefined until they are here, null where there are none. */
export function useLink(body: FileBody): Link | null | undefined {
  const client = useClient()
  const path = ownFile(body.url)
  const [link, set] = useState<Link | null | undefined>(path ? undefined : null)
  useEffect(() => {
    if (!path) return
    let here = true
    const kept = links.get(client) ?? new Map<string, Promise<Link>>()
    links.set(client, kept)
    const get = kept.get(path) ?? client.request<Link>(`${path}/link`)
    kept.set(path, get)
    get
      .then((l) => {
        // They work for an hour.
        if (Date.parse(l.expires) - Date.now() < 60_000) kept.delete(path)
        if (here) set(l)
      })
      .catch(() => {
        kept.delete(path)
        if (here) set(null)
      })
    return () => {
      here = false
    }
  }, [client, path])
  return link
}
