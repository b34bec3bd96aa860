import type { Client, ClientState } from 'bellhop-client'
import { createContext, useContext, useSyncExternalStore } from 'react'

export const ClientContext = createContext<Client | null>(null)

export function useClient(): Client {
  const client = useContext(ClientContext)
  if (!client) throw new Error('no client in this part of the page')
  return client
}

type Subscribe = Client['subscribe']

const paces = new WeakMap<Client, Subscribe>()

/**
 * Tells of changes once a task. Told of each of a burst at once, React gets to nothing else in between, and takes them for a loop
 * that it must break.
 */
function paced(client: Client): Subscribe {
  const known = paces.get(client)
  if (known) return known
  const listeners = new Set<() => void>()
  const { port1, port2 } = new MessageChannel()
  let due = false
  port1.onmessage = () => {
    due = false
    for (const f of listeners) f()
  }
  client.subscribe(() => {
    if (!due) port2.postMessage(null)
    due = true
  })
  const subscribe: Subscribe = (f) => {
    listeners.add(f)
    return () => void listeners.delete(f)
  }
  paces.set(client, subscribe)
  return subscribe
}

/** A part of the client's state; the component renders when that part changes, so it must be one that stays the same object. */
export function useClientState<T>(select: (s: ClientState) => T): T {
  const client = useClient()
  const get = () => select(client.state)
  return useSyncExternalStore(paced(client), get, get)
}
