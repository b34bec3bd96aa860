import type { Me, Message, QueueView, Session } from '../src/index.js'

export interface Line {
  mid: string
  body: string
  key?: string
}

export interface Command {
  id: number
  cmd: string
  session: string
  key: string
  body: string
  after?: number
  before?: number
  mid?: string
  state?: string
  queue?: string
  cursor?: string
}

export const session = '00-s'

/** A server in the test's own process, with one session's log, that falls back, refuses and cuts when it is asked to. */
export class Fake {
  log: Line[] = []
  rev = 1
  more = false
  unnamed = false
  /** Names no mids in hello, as older servers. */
  old = false
  /** Messages a page. */
  page = 2
  /** Pages of what `sessions` lists. */
  listed: Session[][] = []
  /** Called with each history before it is answered: an error code, or nothing. */
  asked?: (c: Command) => string | void
  /** That many commands that read, each told to wait a while, are too many. */
  limited = 0
  /** Takes that many sends without an answer, and cuts. */
  lose = 0
  /** All but pings. */
  commands: Command[] = []
  pings = 0
  /** The server's clock, in ms of the epoch. */
  clock = () => Date.now()
  me: Me = { id: 'uma', name: 'Uma', role: 'user' }
  /** What `watch` answers. */
  queues: QueueView[] = []
  private epoch = 0
  private keys = new Map<string, number>()
  private open = new Set<FakeSocket>()

  /** The class that a client is to use. */
  readonly WebSocket = socket(this) as unknown as typeof WebSocket

  state(more: Partial<Session> = {}): Session {
    return { id: session, queue: 'q', state: 'serving', rev: this.rev, seq: this.log.length, mid: this.old ? undefined : (this.log.at(-1)?.mid ?? ''), user: { id: 'uma', name: '' }, agent: { id: 'ann', name: '' }, assistants: [], target: null,
      subject: '', meta: {}, priority: 0, created: '2026-01-01T00:00:00.000Z', grabbed: null, ended: null, endedBy: '', reason: '', rating: null, unread: 0, readSeq: 0, ...more }
  }

  message(seq: number): Message {
    const { mid, body, key } = this.log[seq - 1]!
    return { session, seq, mid, at: new Date(this.clock()).toISOString(), from: { id: key ? 'uma' : 'ann', role: key ? 'user' : 'agent', name: '' }, type: 'text', body, key }
  }

  tell(o: object) {
    for (const s of this.open) s.say(o)
  }

  append(body: string, key?: string) {
    this.log.push({ mid: `m${this.log.length + 1}.${this.epoch}`, body, key })
    return this.log.length
  }

  /** Others' messages. */
  post(...bodies: string[]) {
    for (const body of bodies) this.tell({ event: 'message', ...this.message(this.append(body)) })
  }

  /** Loses the log's end; what is written next is another one. */
  fallBack(to: number) {
    this.log = this.log.slice(0, to)
    this.epoch++
    for (const [key, seq] of this.keys) if (seq > to) this.keys.delete(key)
  }

  reset() {
    this.tell({ event: 'reset', session })
  }

  cut(code = 1006) {
    for (const s of [...this.open]) s.end(code)
  }

  greet(s: FakeSocket) {
    this.open.add(s)
    s.say({ event: 'hello', connection: 'c', me: this.me, server: 's', heartbeat: 25, sessions: this.unnamed ? [] : [this.state()], more: this.more, unread: 0, offers: [] })
  }

  gone(s: FakeSocket) {
    this.open.delete(s)
  }

  take(s: FakeSocket, c: Command) {
    if (c.cmd === 'ping') {
      this.pings++
      return s.say({ id: c.id, ok: { at: new Date(this.clock()).toISOString() } })
    }
    this.commands.push(c)
    const answer = this.answer(c, s)
    if (answer) s.say({ id: c.id, ...answer })
  }

  private answer(c: Command, s: FakeSocket): object | undefined {
    if (c.cmd !== 'send' && this.limited > 0) {
      this.limited--
      return { error: { code: 'rate_limited', message: 'slow down', retry: true, retryAfter: 20 } }
    }
    switch (c.cmd) {
      case 'send':
        return this.send(c, s)
      case 'history': {
        const code = this.asked?.(c)
        return code ? { error: { code, message: code, retry: code !== 'bad_request' } } : { ok: this.history(c) }
      }
      case 'sessions': {
        const n = Number(c.cursor ?? 0)
        const all = c.state === 'ended' ? [] : this.listed
        return { ok: { sessions: all[n] ?? [], cursor: n + 1 < all.length ? String(n + 1) : '' } }
      }
      case 'watch':
        return { ok: { queues: this.queues } }
      default:
        return { ok: {} }
    }
  }

  private send(c: Command, s: FakeSocket) {
    const seq = this.keys.get(c.key) ?? this.append(c.body, c.key)
    this.keys.set(c.key, seq)
    if (this.lose-- > 0) return void s.end(1006)
    this.lose = 0
    return { ok: { seq, mid: this.log[seq - 1]!.mid, at: '2026-01-01T00:00:00.000Z' } }
  }

  private history({ after, before, mid }: Command) {
    const all = this.log.map((_, i) => this.message(i + 1))
    if (after === undefined) {
      const older = all.filter((_, i) => i + 1 < (before ?? Infinity))
      return { messages: older.slice(-this.page), more: older.length > this.page }
    }
    const reset = Boolean(mid) && this.log[after - 1]?.mid !== mid
    const newer = all.slice(reset ? 0 : after)
    return { messages: newer.slice(0, this.page), more: newer.length > this.page, reset: reset || undefined }
  }
}

export interface FakeSocket {
  say: (o: object) => void
  end: (code: number) => void
}

/** What is said on either side is heard later, in order, as on a wire. */
function socket(server: Fake) {
  return class implements FakeSocket {
    onopen?: () => void
    onmessage?: (e: { data: string }) => void
    onclose?: (e: { code: number }) => void
    private over = false
    constructor() {
      setImmediate(() => {
        this.onopen?.()
        server.greet(this)
      })
    }
    send(line: string) {
      setImmediate(() => !this.over && server.take(this, JSON.parse(line) as Command))
    }
    say(o: object) {
      const data = JSON.stringify(o)
      setImmediate(() => !this.over && this.onmessage?.({ data }))
    }
    end(code: number) {
      server.gone(this)
      if (this.over) return
      this.over = true
      setImmediate(() => this.onclose?.({ code }))
    }
    close() {
      this.over = true
      server.gone(this)
    }
  }
}
