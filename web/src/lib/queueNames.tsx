import type { Client } from 'bellhop-client'
import { Fragment, useCallback, useEffect, useSyncExternalStore } from 'react'
import { rows, text } from './safe'
import { useClient } from './useClient'

/** How queues are called, by id: those that have a name of their own. */
type Names = ReadonlyMap<string, string>

/** How often an unknown queue may make the list be asked for again, in ms. */
const pause = 30_000

/** The names of one client's queues, asked for when somebody wants one. */
class QueueNames {
  private names: Names = new Map()
  private known = new Set<string>()
  ids: readonly string[] = []
  private asked = -Infinity
  private listeners = new Set<() => void>()

  constructor(private client: Client) {}

  subscribe = (f: () => void) => {
    this.listeners.add(f)
    return () => void this.listeners.delete(f)
  }
  get = () => this.names

  /** Asks for the names if that queue is not known. */
  want(id: string) {
    if (!this.known.has(id) && performance.now() - this.asked > pause) void this.refresh()
  }

  /** A queue's name, its id where it has none or nothing is known of it. */
  async nameOf(id: string) {
    if (!this.known.has(id)) await this.refresh()
    return this.names.get(id) ?? id
  }

  refresh() {
    this.asked = performance.now()
    return this.client.request<{ queues: { id: string; name?: string }[] }>('/queues')
      .then(({ queues }) => {
        const all = rows(queues)
        this.ids = all.map((q) => text(q.id))
        this.known = new Set(this.ids)
        this.names = new Map(all.filter((q) => text(q.name)).map((q) => [text(q.id), text(q.name)]))
        for (const f of this.listeners) f()
      })
      .catch(() => {
        this.asked = -Infinity // ids are shown until it is asked again
      })
  }
}

const all = new WeakMap<Client, QueueNames>()

export function queueNamesOf(client: Client) {
  const n = all.get(client) ?? new QueueNames(client)
  all.set(client, n)
  return n
}

/** How a queue is called: by its name, by its id where it has none. */
export function useQueueName() {
  const names = queueNamesOf(useClient())
  const held = useSyncExternalStore(names.subscribe, names.get, names.get)
  return useCallback((id: string) => held.get(id) ?? id, [held])
}

/** All queues that there are, as far as was heard. */
export function useQueueIds() {
  const names = queueNamesOf(useClient())
  useQueueName() // tells of new ones
  return names.ids
}

/** A queue's name, where it is read. */
export function QueueName({ id }: { id: string }) {
  const names = queueNamesOf(useClient())
  const name = useQueueName()
  useEffect(() => names.want(id), [names, id])
  return name(id)
}

export function QueueList({ of }: { of: readonly string[] }) {
  return of.map((id, i) => <Fragment key={id}>{i > 0 && ', '}<bdi><QueueName id={id} /></bdi></Fragment>)
}
