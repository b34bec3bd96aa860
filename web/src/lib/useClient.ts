import type { Client, ClientState } from 'bellhop-client'
import { createContext, useContext, useSyncExternalStore } from 'react'

export const ClientContext = createContext<Client | null>(null)

export function useClient(): Client {
  const client = useContext(ClientContext)
  if (!client) throw new Error('no client in this part of the page')
  return client
}

/** A part of the client's state; the component renders when that part changes, so it must be one that stays the same object. */
export function useClientState<T>(select: (s: ClientState) => T): T {
  const client = useClient()
  const get = () => select(client.state)
  return useSyncExternalStore(client.subscribe, get, get)
}
