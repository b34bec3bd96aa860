import { insist, sleep } from './backoff.js'
import { blob, request, upload, type UploadOptions } from './http.js'
import { Link } from './link.js'
import { pages } from './lists.js'
import { merge, type Pending } from './log.js'
import { Outbox, type Storage } from './outbox.js'
import { Resume, type Page } from './resume.js'
import { having, initial, logOf, lowered, reduce, told, withLog, withSession, withUnread, withoutSession, type ClientState } from './state.js'
import { Tails } from './tails.js'
import { BellhopError, type Event, type Message, type MessageType, type QueueView, type Session, type Status } from './types.js'

export interface Options {
  /** The server, such as `https://chat.example`; in a page, its own origin unless given. */
  url?: string
  /** A token, or what gets one: asked at first, and when the server does not take the one it got. */
  token: string | (() => string | Promise<string>)
  /** This connection's id among the participant's; a second one with the same replaces the first. Random unless given. */
  device?: string
  /** Where sends that were not acknowledged outlive a reload; nowhere unless given. */
  storage?: Storage
  /** Every event, after the state has it. */
  onEvent?: (e: Event) => void
  /** For a Node without one of its own. */
  WebSocket?: typeof WebSocket
}

export interface Sent {
  seq: number
  mid: string
  at: string
  duplicate?: boolean
}

const id = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('')
const pageSize = 50

/**
 * One participant's client. It connects, comes back by itself, reads what it missed by the protocol's rule, and sends what was not
 * acknowledged again under its key: so nothing acknowledged is missing, doubled or out of order. What it holds is in `state`.
 */
export class Client {
  /** Immutable; `subscribe` tells when there is a new one. */
  state: ClientState = initial

  private link: Link
  private base: string
  private lastToken = ''
  private outbox: Outbox
  private greeted = false
  private notified = false
  private listeners = new Set<() => void>()
  private resume = new Resume(this)
  private tails = new Tails(this)
  /** The rev that the server last told of each session: one below it tells that it fell back. */
  private revs = new Map<string, number>()
  private pumping = new Set<string>()
  private settled = new Map<string, { resolve: (s: Sent) => void; reject: (e: Error) => void }>()
  private marking = new Map<string, number>()
  private typed = 0
  private watched?: string[]
  private hellos = 0

  constructor(private opt: Options) {
    this.base = (opt.url ?? location.origin).replace(/\/$/, '')
    this.outbox = new Outbox(opt.storage)
    this.link = new Link({
      url: `${this.base.replace(/^http/, 'ws')}/websocket?device=${encodeURIComponent(opt.device ?? id())}`,
      token: this.token,
      refusal: () => this.request('/sessions?limit=1').then(() => undefined, (e: BellhopError) => e.code),
      WebSocket: opt.WebSocket ?? WebSocket,
      onEvent: this.event,
      onTime: () => this.set({ ...this.state }),
      onStatus: () => {
        const { status, reason, nextAttempt } = this.link
        this.set({ ...this.state, status, reason, nextAttempt, resumed: this.state.resumed && status === 'online' })
      },
    })
  }

  /** Connects, and stays connected until `close`. */
  start() {
    globalThis.addEventListener?.('online', this.link.nudge)
    globalThis.document?.addEventListener('visibilitychange', this.wake)
    this.link.connect()
    return this
  }

  /** Connects at once where the next attempt is still to come. */
  reconnect() {
    this.link.nudge()
  }

  close() {
    globalThis.removeEventListener?.('online', this.link.nudge)
    globalThis.document?.removeEventListener('visibilitychange', this.wake)
    this.link.close()
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
    }
  }

  getState = () => this.state

  /**
   * The time by the server's clock, in ms of the epoch, whatever the device's says; the device's until the first answer. Subscribers
   * are told when it turns out to be another by more than half a second.
   */
  now = () => this.link.clock.now()

  // -- What one does. Each rejects with a BellhopError.

  open(r: { queue?: string; subject?: string; meta?: object } = {}) {
    return this.transition('open', r)
  }
  grab(session: string) {
    return this.transition('grab', { session })
  }
  grabFrom(queue: string) {
    return this.transition('grab', { queue })
  }
  transfer(session: string, to: { agent: string } | { queue: string }, note = '') {
    return this.transition('transfer', { session, to, note })
  }
  accept(session: string) {
    return this.transition('accept', { session })
  }
  decline(session: string, reason = '') {
    return this.transition('decline', { session, reason })
  }
  cancel(session: string) {
    return this.transition('cancel', { session })
  }
  join(session: string, silent = false) {
    return this.transition('join', { session, silent })
  }
  leave(session: string) {
    return this.transition('leave', { session })
  }
  end(session: string, r: { reason?: string; force?: boolean } = {}) {
    return this.transition('end', { session, ...r })
  }
  reopen(session: string) {
    return this.transition('reopen', { session })
  }
  rate(session: string, score: number, comment = '') {
    return this.transition('rate', { session, score, comment })
  }
  takeOver(session: string) {
    return this.transition('takeover', { session })
  }
  label(session: string, r: { add?: string[]; remove?: string[] }) {
    return this.transition('label', { session, ...r })
  }
  recall(session: string, seq: number) {
    return this.link.call<object>('recall', { session, seq })
  }
  whisper(session: string, text: string) {
    return this.link.call<Sent>('whisper', { session, text, key: id() }, true)
  }
  setStatus(status: Status) {
    return this.link.call<{ status: Status; capacity: number; load: number }>('status', { status }, true)
  }
  /** A canned reply, filled in for the session. */
  async canned(session: string, canned: string) {
    return (await this.link.call<{ text: string }>('canned', { session, canned }, true)).text
  }
  /** Sessions, newest first: one's own, a supervisor's everyone's; `state` is a comma-separated list. They are not kept in the state. */
  list(r: { state?: string; queue?: string; label?: string; limit?: number; cursor?: string } = {}) {
    return this.link.call<{ sessions: Session[]; cursor: string }>('sessions', r, true)
  }

  /** The same to the end, however many pages that takes: as long as one has some that are wanted, and until there are enough. */
  listAll(r: { state?: string; queue?: string; label?: string }, wanted: (s: Session) => boolean = () => true, enough = Infinity) {
    return pages((page) => this.list({ ...r, ...page }), wanted, enough)
  }

  /** Puts a session that `list` or the HTTP API answered into the state. */
  keep(session: Session) {
    this.set(withSession(this.state, session))
  }

  /** Follows queues (one's own unless named) and their agents; goes on by itself after a reconnect. */
  async watch(queues?: string[]) {
    this.watched = queues ?? []
    const r = await this.link.call<{ queues: QueueView[] }>('watch', queues ? { queues } : {}, true)
    const views = r.queues.reduce((all, q) => having(all, q.queue, { ...q, waiting: told(this.state.queues[q.queue], q.size, q.waiting) }), initial.queues)
    this.set({ ...this.state, queues: views })
    for (const q of r.queues) void this.tails.look(q.queue, q.waiting)
  }

  /** Tells the others that one types; at most once a second. A user's text is shown to agents. */
  typing(session: string, text = '') {
    if (Math.abs(Date.now() - this.typed) < 1000) return // whichever way the clock was set
    this.typed = Date.now()
    this.link.tell('typing', { session, text })
  }

  /** Marks all messages up to a seq as read, or all that are held. */
  read(session: string, seq = logOf(this.state, session).messages.at(-1)?.seq ?? 0) {
    if (this.resume.isVoid(session)) return
    const held = Math.max(this.state.sessions[session]?.readSeq ?? 0, this.marking.get(session) ?? 0)
    if (seq <= held) return
    this.marking.set(session, seq)
    this.link
      .call<{ unread: number; readSeq: number }>('read', { session, seq }, true)
      .then((r) => {
        const s = this.state.sessions[session]
        if (s && r.readSeq >= s.readSeq) this.set(withUnread(this.state, session, r.unread, r.readSeq))
      })
      .catch(() => this.marking.delete(session))
  }

  /** Reads the newest messages of a session, once. */
  async load(session: string) {
    if (!logOf(this.state, session).loaded) await this.resume.fill(session)
  }

  /** Reads the messages before those that are held. */
  async loadOlder(session: string) {
    const first = logOf(this.state, session).messages[0]
    const page = await this.history(session, first ? { before: first.seq } : {})
    const log = logOf(this.state, session)
    // Unless another log came in its place meanwhile.
    if (log.messages[0]?.mid === first?.mid && !this.resume.isVoid(session)) this.set(withLog(this.state, session, { ...merge(log, page.messages), more: page.more }))
  }

  history(session: string, r: { after?: number; before?: number; mid?: string; limit?: number } = {}) {
    return this.link.call<Page>('history', { session, limit: pageSize, ...r }, true)
  }

  /** Sends; it is in the log's `pending` at once, and is sent again until it is acknowledged or refused. */
  send(session: string, body: unknown, r: { type?: MessageType; replyTo?: number } = {}) {
    const p: Pending = { key: id(), session, type: r.type ?? 'text', body, replyTo: r.replyTo, at: new Date().toISOString(), state: 'sending' }
    const sent = new Promise<Sent>((resolve, reject) => this.settled.set(p.key, { resolve, reject }))
    sent.catch(() => {}) // the log tells, too
    this.enqueue(p)
    return sent
  }

  /** Sends one that failed again. */
  retry(p: Pending) {
    this.discard(p)
    this.enqueue({ ...p, state: 'sending', error: undefined })
  }

  /** Gives up one that failed. */
  discard(p: Pending) {
    this.outbox.remove(p.key)
    const log = logOf(this.state, p.session)
    this.set(withLog(this.state, p.session, { ...log, pending: log.pending.filter((q) => q.key !== p.key) }))
  }

  /** Calls the HTTP API, `path` under `/api/v1`. */
  async request<T>(path: string, init?: RequestInit & { json?: unknown }) {
    return request<T>(this.base, this.lastToken || (await this.token()), path, init)
  }

  /** A transcript, a table of statistics: what the HTTP API answers as a file. */
  blob(path: string) {
    return blob(this.base, this.lastToken, path)
  }

  /** Uploads a file; the answer is the body of the message that sends it. */
  upload(file: Blob, name: string, opt?: UploadOptions) {
    return upload(this.base, this.lastToken, file, name, opt)
  }

  // -- How it does it.

  private token = async (fresh = false) => {
    if (fresh || !this.lastToken) this.lastToken = typeof this.opt.token === 'string' ? this.opt.token : await this.opt.token()
    return this.lastToken
  }

  private wake = () => {
    if (document.visibilityState === 'visible') this.link.nudge()
  }

  /** @internal */
  set(state: ClientState) {
    if (state === this.state) return
    this.state = state
    if (this.notified) return
    this.notified = true
    queueMicrotask(() => {
      this.notified = false
      for (const listener of this.listeners) listener()
    })
  }

  private async transition(cmd: string, fields: object) {
    const { session } = await this.link.call<{ session: Session }>(cmd, fields)
    this.set(withSession(this.state, session))
    return session
  }

  private event = (e: Event) => {
    const before = this.state
    if (e.event === 'session') this.fellBack(e.session)
    this.set(reduce(this.state, e))
    if (e.event === 'hello') this.hello(e, before)
    else if (e.event === 'message') {
      const { event: _, ...m } = e
      this.resume.message(m)
    } else if (e.event === 'reset') {
      this.marking.delete(e.session)
      this.resume.reset(e.session)
    } else if (e.event === 'queue') this.tails.event(e)
    this.opt.onEvent?.(e)
  }

  /** Events tell a session's states in order: one that is older than the last is the state after a fall-back, and holds. */
  private fellBack({ id, rev }: Session) {
    if (rev < (this.revs.get(id) ?? 0)) this.set(lowered(this.state, id))
    this.revs.set(id, rev)
  }

  private hello(e: Extract<Event, { event: 'hello' }>, before: ClientState) {
    this.marking.clear()
    this.revs = new Map(e.sessions.map((s) => [s.id, s.rev]))
    if (!this.greeted) for (const p of this.outbox.of(`${e.me.role}:${e.me.id}`)) this.enqueue(p)
    this.greeted = true
    this.watchAgain()
    this.resume.hello(e, before)
  }

  /** What was watched before the connection was lost: a refusal must not leave the lists as they were. */
  private watchAgain() {
    const { watched } = this
    if (!watched) return
    const hello = ++this.hellos
    void insist(
      () => this.watch(watched.length ? watched : undefined),
      () => hello === this.hellos && this.state.status !== 'closed',
    ).catch(() => {})
  }

  /** Reads a session's state; false where it is not one's own to read any more. @internal */
  async refresh(session: string) {
    try {
      const answer = await this.request<{ session: Session }>(`/sessions/${session}`)
      this.set(withSession(this.state, answer.session))
    } catch (e) {
      if (!this.forget(session, e)) throw e
      return false
    }
    return true
  }

  /** Drops a session that is no longer one's own to read. @internal */
  forget(session: string, e: unknown) {
    const gone = ['forbidden', 'not_found'].includes((e as BellhopError).code)
    if (gone) this.set(withoutSession(this.state, session))
    return gone
  }

  private enqueue(p: Pending) {
    const log = logOf(this.state, p.session)
    if (log.pending.some((q) => q.key === p.key)) return
    this.outbox.put(p)
    this.set(withLog(this.state, p.session, { ...log, pending: [...log.pending, p] }))
    void this.pump(p.session)
  }

  /** Sends a session's messages one after the other, so that a refused one is not overtaken. */
  private async pump(session: string) {
    if (this.pumping.has(session)) return
    this.pumping.add(session)
    for (let p; (p = logOf(this.state, session).pending.find((q) => q.state === 'sending')); ) {
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

  private accepted(p: Pending, sent: Sent) {
    this.acknowledge(p.key, sent)
    const { session, key, type, body, replyTo } = p
    const me = this.state.me!
    const m: Message = { session, seq: sent.seq, mid: sent.mid, at: sent.at, from: { id: me.id, role: me.role, name: me.name }, type, body, key }
    if (replyTo) m.replyTo = replyTo
    this.resume.accepted(m)
  }

  /** @internal */
  acknowledge(key: string, sent: Sent) {
    this.outbox.remove(key)
    this.settled.get(key)?.resolve(sent)
    this.settled.delete(key)
  }

  private failed(p: Pending, e: BellhopError) {
    const failed: Pending = { ...p, state: 'failed', error: e.code }
    this.outbox.put(failed)
    const log = logOf(this.state, p.session)
    this.set(withLog(this.state, p.session, { ...log, pending: log.pending.map((q) => (q.key === p.key ? failed : q)) }))
    this.settled.get(p.key)?.reject(e)
    this.settled.delete(p.key)
  }
}
