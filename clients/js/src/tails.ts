import type { Client } from './client.js'
import { withTail } from './state.js'
import type { Event, Session } from './types.js'

/** How long a queue is listed to its end; of a longer one only the size is told. */
const most = 2000

/** Lists what waits behind those that `watch`, and a `queue` event's `reset`, have room for. */
export class Tails {
  /** What is known of queues that are being listed: who waits for sure, and who does not any more. */
  private listing = new Map<string, { here: Set<string>; gone: Set<string> }>()

  constructor(private client: Client) {}

  /** After the event is in the state. */
  event(e: Extract<Event, { event: 'queue' }>) {
    const l = this.listing.get(e.queue)
    if (e.added) {
      l?.here.add(e.added.id)
      l?.gone.delete(e.added.id)
    }
    if (e.removed) {
      l?.gone.add(e.removed)
      l?.here.delete(e.removed)
    }
    if (e.reset) void this.look(e.queue, e.reset)
  }

  /** `head` is what was told of the queue; whatever else is held of it waited before. */
  async look(queue: string, head: Session[]) {
    const held = this.client.state.queues[queue]
    if (!held || held.waiting.length === held.size || held.size > most || this.listing.has(queue)) return
    const l = { here: new Set(head.map((s) => s.id)), gone: new Set<string>() }
    this.listing.set(queue, l)
    try {
      const all = await this.client.listAll({ state: 'waiting', queue })
      this.client.set(withTail(this.client.state, queue, l.here, all.filter((s) => s.queue === queue && !l.gone.has(s.id))))
    } catch {
      // The next reset looks again; the size is right in any case.
    } finally {
      this.listing.delete(queue)
    }
  }
}
