import { backoff } from './backoff.js'
import { Clock } from './clock.js'
import { whole } from './shape.js'
import { BellhopError, lost, type Event, type WireError } from './types.js'

/**
 * `connecting`: an attempt is under way. `waiting`: until the next one. `online`: the server said hello. `closed`: for good,
 * for the reason the link has.
 */
export type LinkStatus = 'connecting' | 'waiting' | 'online' | 'closed'

/** Why a link is closed: by `close()`, by another connection of the same device, or because the server let nobody in. */
export type ClosedReason = 'closed' | 'replaced' | 'unauthorized' | 'blocked'

export interface LinkOptions {
  /** The address of the WebSocket, with the device. */
  url: string
  /** `fresh`: not the one before, which was refused. */
  token: (fresh: boolean) => Promise<string>
  /** Asks by HTTP why a handshake failed, which browsers do not tell; answers a code, or nothing. */
  refusal: () => Promise<string | undefined>
  WebSocket: typeof WebSocket
  onEvent: (e: Event) => void
  onStatus: () => void
  /** The server's clock is known, or another one than was thought. */
  onTime: () => void
}

interface Call {
  line: string
  /** Whether it may be sent a second time. */
  repeat: boolean
  sent: boolean
  resolve: (ok: never) => void
  reject: (e: Error) => void
  timer: ReturnType<typeof setTimeout>
}

/** What the server sends: an event, or the answer to a command. */
type Frame = Event | { id: number; ok?: never; error?: WireError }

/** How long a command waits for its answer, in ms. */
const patience = 30_000

/** One participant's connection: it comes back by itself until it is closed, and matches answers with commands. */
export class Link {
  status: LinkStatus = 'waiting'
  reason?: ClosedReason
  /** When the next attempt begins, in ms of the epoch. */
  nextAttempt = 0
  clock = new Clock(
    () => this.status === 'online' && this.ping(),
    () => this.opt.onTime(),
  )

  private ws?: WebSocket
  private attempt = 0
  private refused = 0
  /** Whether the token is to be another one. */
  private stale = false
  private after?: number
  private retry?: ReturnType<typeof setTimeout>
  private watch?: ReturnType<typeof setTimeout>
  private calls = new Map<number, Call>()
  private next = 1
  private heartbeat = 25_000

  constructor(private opt: LinkOptions) {}

  /** Attempts now, if it is not connected. */
  connect = () => {
    if (this.status !== 'waiting') return
    clearTimeout(this.retry)
    this.set('connecting')
    this.opt.token(this.stale).then(this.dial, () => this.again())
  }

  private dial = (token: string) => {
    if (this.status !== 'connecting') return
    let ws: WebSocket
    try {
      ws = new this.opt.WebSocket(this.opt.url, ['bellhop.v1', token])
    } catch {
      return this.close('unauthorized') // no subprotocol: this cannot be a token
    }
    this.ws = ws
    let opened = false
    ws.onopen = () => (opened = true)
    ws.onmessage = ({ data }) => {
      if (ws !== this.ws) return
      this.alive()
      for (const line of String(data).split('\n')) {
        try {
          if (line) this.line(JSON.parse(line) as Frame)
        } catch (e) {
          // eslint-disable-next-line no-console -- the only way to tell whoever looks for it
          console.error('bellhop: skipped', line, e) // the next one may be good
        }
      }
    }
    ws.onclose = ({ code }) => ws === this.ws && this.closed(code, opened)
    ws.onerror = () => ws === this.ws && !opened && this.closed(1006, false) // Node tells no close of a handshake that failed
    this.deadline(10_000)
  }

  /** Sends a command, now or when connected. Rejects with the server's refusal, or `unavailable` if no answer comes. */
  call<T>(cmd: string, fields: object = {}, repeat = false): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.status === 'closed') return reject(this.gone())
      const id = this.next++
      const timer = setTimeout(() => this.calls.delete(id) && reject(lost()), patience)
      const c: Call = { line: JSON.stringify({ id, cmd, ...fields }), repeat, sent: false, resolve, reject, timer }
      this.calls.set(id, c)
      if (this.status === 'online') this.write(c)
    })
  }

  /** Sends a command that is not worth waiting for. */
  tell(cmd: string, fields: object) {
    if (this.status === 'online') this.ws?.send(JSON.stringify({ id: this.next++, cmd, ...fields }))
  }

  close(reason: ClosedReason = 'closed') {
    if (this.status === 'closed') return
    this.reason = reason
    clearTimeout(this.retry)
    this.drop()
    for (const [id, c] of this.calls) this.settle(id, () => c.reject(this.gone()))
    this.set('closed')
  }

  private gone() {
    const code = this.reason === 'blocked' || this.reason === 'unauthorized' ? this.reason : 'unavailable'
    return new BellhopError({ code, message: `the connection is closed: ${this.reason}`, retry: false })
  }

  private write(c: Call) {
    c.sent = true
    this.ws?.send(c.line)
  }

  private settle(id: number, how: () => void) {
    clearTimeout(this.calls.get(id)?.timer)
    this.calls.delete(id)
    how()
  }

  private line(raw: Frame) {
    if (!('event' in raw)) {
      const c = this.calls.get(raw.id)
      if (c) this.settle(raw.id, () => (raw.error ? c.reject(new BellhopError(raw.error)) : c.resolve(whole(raw.ok) as never)))
      return
    }
    const m = whole(raw) as Event
    if (m.event === 'hello') {
      this.heartbeat = m.heartbeat * 1000
      this.attempt = this.refused = 0
      this.stale = false
      this.set('online')
      this.ping() // for the time, ahead of all that is asked now
      this.opt.onEvent(m)
      for (const c of this.calls.values()) if (!c.sent) this.write(c)
      return
    }
    if (m.event === 'message') this.clock.seen(m.at)
    if (m.event === 'closing') this.after = m.reconnectAfter
    this.opt.onEvent(m)
  }

  // A connection may be dead without a word: where nothing comes for a heartbeat, a ping must be answered within ten seconds.
  private alive() {
    clearTimeout(this.watch)
    this.watch = setTimeout(() => this.probe(10_000), this.heartbeat)
  }

  private probe(ms: number) {
    this.ping()
    this.deadline(ms)
  }

  private ping() {
    const told = this.clock.begin()
    this.call<{ at: string }>('ping').then((r) => told(r.at), () => {})
  }

  private deadline(ms: number) {
    clearTimeout(this.watch)
    this.watch = setTimeout(() => {
      this.drop()
      this.again()
    }, ms)
  }

  /** Looks whether the connection is alive, for when a page wakes up or a network comes back. */
  nudge = () => {
    if (this.status === 'waiting') this.connect()
    else if (this.status === 'online') this.probe(3_000)
  }

  private drop() {
    clearTimeout(this.watch)
    const ws = this.ws
    this.ws = undefined
    ws?.close()
  }

  private closed(code: number, opened: boolean) {
    this.drop()
    if (code === 4002) return this.close('replaced')
    if (code === 4005) return this.close('blocked')
    if (opened && code !== 4001) return this.again()
    void this.opt.refusal().then((why) => {
      if (why === 'blocked') return this.close('blocked')
      // A token may have expired just now: the next one decides.
      if (why === 'unauthorized' && ++this.refused > 1) return this.close('unauthorized')
      this.stale = code === 4001 || why === 'unauthorized'
      this.again()
    })
  }

  private again() {
    if (this.status === 'closed') return
    for (const [id, c] of this.calls) {
      if (c.sent && !c.repeat) this.settle(id, () => c.reject(lost()))
      else c.sent = false
    }
    const ms = this.after ?? backoff(this.attempt++)
    this.after = undefined
    this.nextAttempt = Date.now() + ms
    this.retry = setTimeout(this.connect, ms)
    this.set('waiting')
  }

  private set(status: LinkStatus) {
    if (this.status === status) return
    this.status = status
    this.opt.onStatus()
  }
}
