import { sleep } from './backoff.js'
import type { Client } from './client.js'
import type { Link } from './link.js'
import type { Log, Pending } from './log.js'
import { Outbox, type Storage } from './outbox.js'
import type { Resume } from './resume.js'
import { logOf, withLog } from './state.js'
import type { BellhopError, Message } from './types.js'

export interface Sent {
  seq: number
  mid: string
  at: string
  duplicate?: boolean
}

/** What one sends: it is in its log's `pending` until it is acknowledged or refused, and goes out under its key as often as that takes. */
export class Sends {
  private outbox: Outbox
  private pumping = new Set<string>()
  private settled = new Map<string, { resolve: (s: Sent) => void; reject: (e: Error) => void }>()

  constructor(
    private client: Client,
    private link: Link,
    private resume: Resume,
    storage?: Storage,
  ) {
    this.outbox = new Outbox(storage)
  }

  send(p: Pending) {
    const sent = new Promise<Sent>((resolve, reject) => this.settled.set(p.key, { resolve, reject }))
    sent.catch(() => {}) // the log tells, too
    this.enqueue(p)
    return sent
  }

  retry(p: Pending) {
    this.discard(p)
    this.enqueue({ ...p, state: 'sending', error: undefined })
  }

  discard(p: Pending) {
    this.outbox.remove(p.key)
    this.change(p.session, (pending) => pending.filter((q) => q.key !== p.key))
  }

  /** Sends what is left of a participant's from before a reload. */
  takeUp(participant: string) {
    for (const p of this.outbox.of(participant)) this.enqueue(p)
  }

  acknowledge(key: string, sent: Sent) {
    this.outbox.remove(key)
    this.settled.get(key)?.resolve(sent)
    this.settled.delete(key)
  }

  private change(session: string, to: (pending: Log['pending']) => Pending[]) {
    const log = logOf(this.client.state, session)
    this.client.set(withLog(this.client.state, session, { ...log, pending: to(log.pending) }))
  }

  private enqueue(p: Pending) {
    if (logOf(this.client.state, p.session).pending.some((q) => q.key === p.key)) return
    this.outbox.put(p)
    this.change(p.session, (pending) => [...pending, p])
    void this.pump(p.session)
  }

  /** Sends a session's messages one after the other, so that a refused one is not overtaken. */
  private async pump(session: string) {
    if (this.pumping.has(session)) return
    this.pumping.add(session)
    for (let p; (p = logOf(this.client.state, session).pending.find((q) => q.state === 'sending')); ) {
      const { key, type, body, replyTo } = p
      try {
        const sent = await this.link.call<Sent>('send', { session, key, type, body, replyTo }, true)
        this.accepted(p, sent)
      } catch (e) {
        if (this.link.reason === 'closed') break
        const refusal = e as BellhopError
        if (refusal.retry) await sleep(refusal.retryAfter ?? 1000)
        else this.failed(p, refusal)
      }
    }
    this.pumping.delete(session)
  }

  private accepted({ session, key, type, body, replyTo }: Pending, sent: Sent) {
    this.acknowledge(key, sent)
    const me = this.client.state.me!
    const m: Message = { session, seq: sent.seq, mid: sent.mid, at: sent.at, from: { id: me.id, role: me.role, name: me.name }, type, body, key }
    if (replyTo) m.replyTo = replyTo
    this.resume.accepted(m)
  }

  private failed(p: Pending, e: BellhopError) {
    const failed: Pending = { ...p, state: 'failed', error: e.code }
    this.outbox.put(failed)
    this.change(p.session, (pending) => pending.map((q) => (q.key === p.key ? failed : q)))
    this.settled.get(p.key)?.reject(e)
    this.settled.delete(p.key)
  }
}
