import { insist } from './backoff.js'
import { Http, type RequestOptions } from './http.js'
import { Link } from './link.js'
import { pages } from './lists.js'
import { last, merge, type Pending } from './log.js'
import type { Storage } from './outbox.js'
import type { Platform, Upload, UploadOptions } from './platform.js'
import { Resume, type Page } from './resume.js'
import { Sends, type Sent } from './sends.js'
import { having, initial, logOf, lowered, reduce, takesPart, told, withLog, withSession, withUnread, withoutSession, type ClientState } from './state.js'
import { Tails } from './tails.js'
import { BellhopError, type Event, type MessageType, type QueueView, type Session, type Status } from './types.js'

export interface Options {
  /** The server, such as `https://chat.example` or `https://example.org/support`. */
  url: string
  /** A token, or what gets one: asked at first, and when the server does not take the one it got. */
  token: string | (() => string | Promise<string>)
  /** This connection's id among the participant's; a second one with the same replaces the first. Random unless given. */
  device?: string
  /** Where sends that were not acknowledged outlive a reload; nowhere unless given. */
  storage?: Storage
  /** Every event, after the state has it. */
  onEvent?: (e: Event) => unknown
  /** What `onEvent`, a subscriber or `token` threw, or rejected with; it stops nothing. Unless given, the platform's global handler is told. */
  onError?: (e: unknown) => void
}

// After these one takes part.
const joining = new Set(['grab', 'accept', 'join', 'takeover'])

// No secrets: one participant's ids must not meet.
const digits = () => Math.random().toString(36).slice(2, 12)
const id = () => Date.now().toString(36) + digits() + digits()
const pageSize = 50

/**
 * One participant's client. It connects, comes back by itself, reads what it missed by the protocol's rule, and sends what was not
 * acknowledged again under its key: so nothing acknowledged is missing, doubled or out of order. What it holds is in `state`.
 */
export class Client {
  /** Immutable; `subscribe` tells when there is a new one. */
  state: ClientState = initial

  private link: Link
  private http: Http
  private sends: Sends
  private greeted = false
  private notified = false
  private listeners = new Set<() => unknown>()
  private resume = new Resume(this)
  private tails = new Tails(this)
  /** The rev that the server last told of each session: one below it tells that it fell back. */
  private revs = new Map<string, number>()
  private marking = new Map<string, number>()
  private typed = 0
  private watched?: string[]
  private hellos = 0

  private asleep?: () => void

  constructor(
    private opt: Options,
    private platform: Platform,
  ) {
    const base = opt.url.replace(/\/$/, '')
    this.http = new Http(`${base}/api/v1`, platform)
    this.link = new Link({
      url: `${base.replace(/^http/, 'ws')}/websocket?device=${encodeURIComponent(opt.device ?? id())}`,
      token: this.token,
      refusal: () => this.request('/sessions?limit=1').then(() => undefined, (e: BellhopError) => e.code),
      platform,
      onEvent: this.event,
      onTime: () => this.set({ ...this.state }),
      onStatus: () => {
        const { status, reason, nextAttempt } = this.link
        this.set({ ...this.state, status, reason, nextAttempt, resumed: this.state.resumed && status === 'online' })
      },
    })
    this.sends = new Sends(this, this.link, this.resume, opt.storage)
  }

  /** Connects, and stays connected until `close`. */
  start() {
    this.asleep ??= this.platform.wakes(this.link.nudge)
    this.link.connect()
    return this
  }

  /** Connects at once where the next attempt is still to come. */
  reconnect() {
    this.link.nudge()
  }

  close() {
    this.asleep?.()
    this.asleep = undefined
    this.link.close()
  }

  subscribe = (listener: () => unknown) => {
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
  read(session: string, seq = last(logOf(this.state, session).messages)?.seq ?? 0) {
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
    return this.sends.send({ key: id(), session, type: r.type ?? 'text', body, replyTo: r.replyTo, at: new Date(this.now()).toISOString(), state: 'sending' })
  }

  /** Sends one that failed again. */
  retry(p: Pending) {
    this.sends.retry(p)
  }

  /** Gives up one that failed. */
  discard(p: Pending) {
    this.sends.discard(p)
  }

  /** Calls the HTTP API, `path` under `/api/v1`. */
  async request<T>(path: string, r?: RequestOptions) {
    if (!this.http.token) await this.token()
    return this.http.request<T>(path, r)
  }

  /** A transcript, a table of statistics: what the HTTP API answers as a file. */
  blob(path: string) {
    return this.http.blob(path)
  }

  /** Uploads a file, or in a mini program the one of a path; the answer is the body of the message that sends it. */
  upload(file: Upload, name: string, opt?: UploadOptions) {
    return this.http.upload(file, name, opt)
  }

  // -- How it does it.

  private token = async (fresh = false) => {
    const { http, opt } = this
    try {
      if (fresh || !http.token) http.token = typeof opt.token === 'string' ? opt.token : await opt.token()
    } catch (e) {
      opt.onError?.(e)
      throw e
    }
    return http.token
  }

  /** Nothing that a listener throws, now or later, stops anything. */
  private tell(listener: () => unknown) {
    new Promise((done) => done(listener())).catch(this.opt.onError).catch(this.platform.report)
  }

  /** @internal */
  set(state: ClientState) {
    if (state === this.state) return
    this.state = state
    if (this.notified) return
    this.notified = true
    void Promise.resolve().then(() => {
      this.notified = false
      for (const listener of [...this.listeners]) if (this.listeners.has(listener)) this.tell(listener)
    })
  }

  private async transition(cmd: string, fields: object) {
    const { session } = await this.link.call<{ session: Session }>(cmd, fields)
    this.set(withSession(this.state, session))
    if (joining.has(cmd)) this.resume.joined(session.id)
    return session
  }

  private event = (e: Event) => {
    const before = this.state
    if (e.event === 'session') this.fellBack(e.session)
    this.set(reduce(this.state, e))
    if (e.event === 'session' && takesPart(this.state, e.session)) {
      const held = before.sessions[e.session.id]
      if (held && !takesPart(before, held)) this.resume.joined(held.id)
    }
    if (e.event === 'hello') this.hello(e, before)
    else if (e.event === 'message') {
      const { event: _, ...m } = e
      this.resume.message(m)
    } else if (e.event === 'reset') {
      this.marking.delete(e.session)
      this.resume.reset(e.session)
    } else if (e.event === 'queue') this.tails.event(e)
    this.tell(() => this.opt.onEvent?.(e))
  }

  /** Events tell a session's states in order: one that is older than the last is the state after a fall-back, and holds. */
  private fellBack({ id, rev }: Session) {
    if (rev < (this.revs.get(id) ?? 0)) this.set(lowered(this.state, id))
    this.revs.set(id, rev)
  }

  private hello(e: Extract<Event, { event: 'hello' }>, before: ClientState) {
    this.marking.clear()
    this.revs = new Map(e.sessions.map((s) => [s.id, s.rev]))
    if (!this.greeted) this.sends.takeUp(`${e.me.role}:${e.me.id}`)
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

  /** @internal */
  acknowledge(key: string, sent: Sent) {
    this.sends.acknowledge(key, sent)
  }
}
