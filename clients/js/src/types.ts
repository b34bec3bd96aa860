// The objects of docs/protocol.md, under its names.

export type Role = 'user' | 'agent' | 'supervisor' | 'bot'
export type State = 'waiting' | 'serving' | 'transferring' | 'ending' | 'ended'
export type Status = 'online' | 'away' | 'offline'

export interface Person {
  id: string
  name: string
  avatar?: string
}

export interface Rating {
  score: number
  comment: string
  at: string
}

export interface Session {
  id: string
  queue: string
  state: State
  /** Grows by one with every change but messages and reads; lower again where the server fell back. */
  rev: number
  /** The log's last seq. */
  seq: number
  /** The id of the message at `seq`; in `hello` only. */
  mid?: string
  user: Person
  agent: Person | null
  assistants: Person[]
  target: Person | null
  subject: string
  meta: Record<string, unknown>
  priority: number
  created: string
  grabbed: string | null
  ended: string | null
  endedBy: string
  reason: string
  rating: Rating | null
  /** The receiver's own. */
  unread: number
  readSeq: number
  /** For staff only. */
  labels?: string[]
}

export type MessageType = 'text' | 'image' | 'voice' | 'video' | 'file' | 'card' | 'note' | 'system'

export interface FileBody {
  url: string
  name?: string
  size?: number
  mime?: string
  /** Pixels. */
  width?: number
  height?: number
  /** Seconds. */
  duration?: number
}

/** What a `system` message tells, by `what`. */
export interface SystemBody {
  what: string
  by?: string
  text?: string
  opens?: string | null
  seconds?: number
  seq?: number
  reason?: string
  [field: string]: unknown
}

export interface Message {
  session: string
  seq: number
  mid: string
  at: string
  from: { id: string; role: Role | 'system'; name: string }
  type: MessageType
  body?: unknown
  /** Only on the sender's own copies. */
  key?: string
  /** A seq. */
  replyTo?: number
  recalled?: boolean
}

export interface Me extends Person {
  role: Role
  queues?: string[]
  capacity?: number
  expires?: string
}

export interface QueueView {
  queue: string
  waiting: Session[]
  size: number
  oldest: string | null
}

export interface Position {
  session: string
  /** From 1. */
  position: number
  /** Seconds. */
  wait: number
  estimated: boolean
}

export interface Offer {
  session: Session
  from: string
  note: string
  expires: string | null
}

export interface Presence {
  agent: string
  status: Status
  load: number
  capacity: number
}

export type Event =
  | { event: 'hello'; connection: string; me: Me; server: string; heartbeat: number; sessions: Session[]; more?: boolean; unread: number; offers: Session[] }
  | { event: 'reset'; session: string }
  | ({ event: 'message' } & Message)
  | { event: 'recalled'; session: string; seq: number }
  | { event: 'read'; session: string; by: string; seq: number }
  | { event: 'typing'; session: string; by: string; text: string }
  | { event: 'session'; session: Session }
  | { event: 'unread'; session: string; unread: number; total: number }
  | { event: 'queue'; queue: string; size: number; added?: Session; removed?: string; by?: string; reset?: Session[] }
  | ({ event: 'position' } & Position)
  | ({ event: 'offer' } & Offer)
  | { event: 'offer-ended'; session: string; outcome: 'accepted' | 'declined' | 'cancelled' | 'expired' | 'ended' }
  | ({ event: 'presence' } & Presence)
  | { event: 'closing'; reason: string; reconnectAfter: number }

export type ErrorCode =
  | 'bad_request' | 'unauthorized' | 'forbidden' | 'blocked' | 'not_found' | 'taken' | 'full' | 'wrong_state' | 'ended' | 'too_late'
  | 'no_agent' | 'too_large' | 'rate_limited' | 'overloaded' | 'unavailable' | 'internal'

/** An error as the wire has it, with the fields that its code brings. */
export interface WireError {
  code: ErrorCode
  message: string
  retry: boolean
  by?: string
  load?: number
  capacity?: number
  state?: State
  /** Milliseconds. */
  retryAfter?: number
}

/** A refusal, or `unavailable` where no answer came. */
export class BellhopError extends Error implements WireError {
  override name = 'BellhopError'
  code!: ErrorCode
  retry!: boolean
  declare by?: string
  declare load?: number
  declare capacity?: number
  declare state?: State
  declare retryAfter?: number

  constructor(e: WireError) {
    super(e.message)
    Object.assign(this, e)
  }
}

/** The error of a command that no answer came for. It may or may not have been carried out. */
export const lost = () => new BellhopError({ code: 'unavailable', message: 'the connection was lost', retry: true })
