import { backoff, insist, sleep } from './backoff.js'
import type { Client } from './client.js'
import { advance, contradicts, differs, empty, last, merge, type Log } from './log.js'
import { logOf, takesPart, voided, withLog, withSeq, withSession, type ClientState } from './state.js'
import type { BellhopError, Event, Message } from './types.js'

export interface Page {
  messages: Message[]
  more: boolean
  reset?: boolean
}

/** A session whose messages are being read. */
interface Filling {
  /** Live messages that came meanwhile, and one's own that were acknowledged. */
  live: Message[]
  own: Message[]
  /** What is held is void, or nothing is: the newest page is read in its place. */
  fresh: boolean
  /** Counts what makes the pages that were read so far void: resets and hellos. */
  round: number
}

const hour = 3_600_000
const open = 'waiting,serving,transferring,ending'

/** Keeps what is held of the logs what the server's are, by the protocol's rule of coming back. */
export class Resume {
  private filling = new Map<string, Filling>()
  private hellos = 0
  private listing = 0

  constructor(private client: Client) {}

  private log = (session: string) => logOf(this.client.state, session)
  private keep = (session: string, log: Log, added: Message[] = []) => this.client.set(added.reduce(withSeq, withLog(this.client.state, session, log)))
  private void = (session: string) => this.client.set(voided(this.client.state, session))

  /** After `hello` is in the state; `before` is what was held. */
  hello(e: Extract<Event, { event: 'hello' }>, before: ClientState) {
    this.hellos++
    for (const f of this.filling.values()) {
      f.round++
      f.live = []
      f.own = []
    }
    const named = new Set(e.sessions.map((s) => s.id))
    for (const s of e.sessions) {
      const log = this.client.state.logs[s.id]
      if (log && differs(log, s)) void this.fill(s.id).catch(() => {})
    }
    if (e.more) void this.others(named, before)
    else this.unnamed(named, before)
    this.done()
  }

  /** Reads about the sessions that hello had no room for: the open ones, and those that ended lately. */
  private async others(named: Set<string>, before: ClientState) {
    const hello = this.hellos
    this.listing++
    try {
      const lately = this.client.now() - hour
      const all = await this.client.listAll({ state: open })
      all.push(...(await this.client.listAll({ state: 'ended' }, (s) => Date.parse(s.ended ?? '') > lately)))
      if (hello !== this.hellos) return
      for (const s of all) {
        if (named.has(s.id) || !takesPart(this.client.state, s)) continue
        this.client.set(withSession(this.client.state, s))
        named.add(s.id)
        if (this.log(s.id).loaded) void this.fill(s.id).catch(() => {})
      }
    } catch {
      // Then each that is held is asked for.
    } finally {
      this.listing--
      if (hello === this.hellos) this.unnamed(named, before)
      this.done()
    }
  }

  /** What is held and was not named may have changed, or be no longer one's own. */
  private unnamed(named: Set<string>, before: ClientState) {
    for (const s of Object.values(before.sessions)) {
      if (named.has(s.id) || s.state === 'ended') continue
      if (logOf(before, s.id).loaded) void this.fill(s.id, true).catch(() => {})
      else this.refresh(s.id)
    }
  }

  /** Reads a session's state, until the next hello tells it anyway. */
  private refresh(session: string) {
    const hello = this.hellos
    void insist(
      () => this.client.refresh(session),
      () => hello === this.hellos && this.client.state.status !== 'closed',
    ).catch(() => {})
  }

  private done() {
    const s = this.client.state
    if (!this.filling.size && !this.listing && s.status === 'online' && !s.resumed) this.client.set({ ...s, resumed: true })
  }

  /** Whether what is held of a session is known not to be its log. */
  isVoid = (session: string) => Boolean(this.filling.get(session)?.fresh)

  /** One takes part again: nobody told what was said meanwhile, nor of a log that fell back. */
  joined(session: string) {
    if (this.log(session).loaded) void this.fill(session).catch(() => {})
  }

  message(m: Message) {
    const f = this.filling.get(m.session)
    if (f) f.live.push(m)
    else if (contradicts(this.log(m.session), m)) this.reset(m.session)
    else if (this.misses(m)) {
      void this.fill(m.session).catch(() => {})
      this.filling.get(m.session)?.live.push(m)
    } else this.take(m.session, [m])
  }

  /**
   * Whether a live message shows that some before it are not held: it may have come before one knew that one takes part again. Users
   * see no notes, and take part all along.
   */
  private misses(m: Message) {
    const log = this.log(m.session)
    if (!log.loaded || this.client.state.me?.role === 'user') return false
    const own = log.messages.filter((o) => o.seq > log.cursor.seq).length + log.pending.filter((p) => p.state === 'sending').length
    return m.seq - log.cursor.seq - 1 > own
  }

  /** A send of one's own that is in the log. */
  accepted(m: Message) {
    const f = this.filling.get(m.session)
    f?.own.push(m)
    if (!f && contradicts(this.log(m.session), m)) this.reset(m.session)
    else this.own(m, !f)
  }

  /** Others' messages before one's own may still be on their way: then their events move the cursor. */
  private own(m: Message, move: boolean) {
    let log = merge(this.log(m.session), [m])
    if (move && log.cursor.seq === m.seq - 1) log = advance(log, m)
    this.keep(m.session, log, [m])
  }

  /** The log is another one: what is held is void. It shows until the newest page is here to take its place. */
  reset(session: string) {
    const f = this.filling.get(session)
    if (f) Object.assign(f, { live: [], own: [], fresh: true, round: f.round + 1 })
    this.void(session)
    if (!f && this.log(session).loaded) void this.fill(session, false, true).catch(() => {})
    if (session in this.client.state.sessions) this.refresh(session) // events tell, too
  }

  /** Takes messages that come in order, by event or by history. */
  private take(session: string, messages: Message[]) {
    let log = merge(this.log(session), messages)
    for (const m of messages) {
      log = advance(log, m)
      if (m.key) this.client.acknowledge(m.key, m)
    }
    this.keep(session, log, messages)
  }

  /**
   * Reads a session's newest messages where none are held, or those after what is held; asks again, slower and slower, until it has
   * them: a refusal must leave no hole. Only where nothing is held yet does it reject.
   */
  async fill(session: string, refresh = false, fresh = false): Promise<void> {
    if (this.filling.has(session)) return
    const f: Filling = { live: [], own: [], fresh: fresh || !this.log(session).loaded, round: 0 }
    this.filling.set(session, f)
    try {
      for (let n = 0; ; n++) {
        try {
          if (refresh && !(await this.client.refresh(session))) return
          refresh = false
          return await this.read(session, f)
        } catch (e) {
          const { retry, retryAfter = 0 } = e as BellhopError
          if (this.client.forget(session, e)) return
          if (this.client.state.status === 'closed' || (!retry && !this.log(session).loaded)) throw e
          f.fresh ||= !this.log(session).loaded
          await sleep(Math.max(backoff(n), retryAfter))
        }
      }
    } finally {
      this.filling.delete(session)
      this.done()
    }
  }

  /** Reads until what was read holds, and puts it into the state. */
  private async read(session: string, f: Filling) {
    for (;;) {
      const { fresh, round } = f
      const log = this.log(session)
      const own = log.messages.filter((m) => m.seq > log.cursor.seq)
      const read: Message[] = []
      let { seq, mid } = log.cursor
      let page: Page
      do {
        page = await this.client.history(session, fresh ? {} : { after: seq, mid: mid || undefined, limit: 200 })
        read.push(...page.messages)
        ;({ seq, mid } = last(page.messages) ?? { seq, mid })
      } while (f.round === round && !fresh && !page.reset && page.more && page.messages.length)
      if (f.round !== round) continue
      // One's own that were acknowledged and are not there are lost, and so is the log they were in.
      if (!fresh && (page.reset || !own.every((m) => read.some((r) => r.mid === m.mid)))) {
        f.fresh = true
        this.void(session)
        continue
      }
      return this.put(session, f, read, page.more)
    }
  }

  private put(session: string, f: Filling, read: Message[], more: boolean) {
    if (f.fresh) this.keep(session, { ...empty, pending: this.log(session).pending, loaded: true, more })
    // What is older than a newest page would leave a gap to it.
    const first = f.fresh ? (read[0]?.seq ?? 0) : 0
    f.fresh = false
    this.take(session, read)
    this.take(session, f.live.filter((m) => m.seq >= first))
    for (const m of f.own.filter((m) => m.seq >= first).sort((a, b) => a.seq - b.seq)) this.own(m, true)
  }
}
