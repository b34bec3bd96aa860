import type { ClosedReason, LinkStatus } from './link.js'
import { empty, last, recall, type Log } from './log.js'
import type { Event, Me, Message, Offer, Position, Presence, QueueView, Session } from './types.js'

/** All that a client holds. Immutable: a change makes a new one, and what did not change stays the same object. */
export interface ClientState {
  status: LinkStatus
  /** Why it is closed for good. */
  reason?: ClosedReason
  /** When the next attempt to connect begins, in ms of the epoch. */
  nextAttempt: number
  me?: Me
  /** Whether everything that was missed is here. */
  resumed: boolean
  sessions: Record<string, Session>
  logs: Record<string, Log>
  /** The sum over the sessions one takes part in. */
  unread: number
  offers: readonly Offer[]
  positions: Record<string, Position>
  /** Who types, by session: until `until`, ms of the epoch. */
  typing: Record<string, { by: string; text: string; until: number }>
  /** How far others have read, by session and participant; only what was heard since connecting. */
  marks: Record<string, Record<string, number>>
  /** What is watched. */
  queues: Record<string, QueueView>
  agents: Record<string, Presence>
}

// By ids, which are whatever people called things: `constructor` is a good name for a queue, and no property of an empty map.
type All<T> = Record<string, T>
const none = <T>() => Object.create(null) as All<T>
export const having = <T>(all: All<T> | undefined, key: string, value: T): All<T> => Object.assign(none<T>(), all, { [key]: value })

export const initial: ClientState = {
  status: 'waiting', nextAttempt: 0, resumed: false, sessions: none(), logs: none(), unread: 0, offers: [], positions: none(), typing: none(), marks: none(),
  queues: none(), agents: none(),
}

const without = <T>(all: All<T>, key: string): All<T> => {
  if (!(key in all)) return all
  const rest = Object.assign(none<T>(), all)
  delete rest[key]
  return rest
}

export const logOf = (s: ClientState, session: string): Log => s.logs[session] ?? empty

export const withLog = (s: ClientState, session: string, log: Log): ClientState =>
  log === logOf(s, session) ? s : { ...s, logs: having(s.logs, session, log) }

export function takesPart({ me }: ClientState, x: Session) {
  return me?.role === 'user' || x.agent?.id === me?.id || x.assistants.some((a) => a.id === me?.id)
}

const counted = (s: ClientState): ClientState => ({ ...s, unread: Object.values(s.sessions).reduce((n, x) => (takesPart(s, x) ? n + x.unread : n), 0) })

/** Takes over a session, unless a later state of it is held. */
export function withSession(s: ClientState, session: Session): ClientState {
  const held = s.sessions[session.id]
  if (held && held.rev > session.rev) return s
  const seq = Math.max(held?.seq ?? 0, session.seq)
  const positions = session.state === 'waiting' ? s.positions : without(s.positions, session.id)
  const by = s.typing[session.id]?.by
  // Nobody types who takes no part any more.
  const typing = by && (session.state === 'ended' || ![session.user, session.agent, ...session.assistants].some((p) => p?.id === by)) ? without(s.typing, session.id) : s.typing
  return counted({ ...s, positions, typing, sessions: having(s.sessions, session.id, { ...session, seq }) })
}

/** Lets the next state of a session hold, whatever its rev: the server may have fallen back. */
export const lowered = (s: ClientState, id: string, more: Partial<Session> = {}): ClientState => {
  const held = s.sessions[id]
  return held ? { ...s, sessions: having(s.sessions, id, { ...held, rev: 0, seq: 0, ...more }) } : s
}

/** What is held of a session's log is void; a log that was read stays until it is read again. */
export function voided(s: ClientState, id: string): ClientState {
  const log = s.logs[id]
  const next = { ...lowered(s, id, { readSeq: 0 }), marks: without(s.marks, id), typing: without(s.typing, id) }
  return log && !log.loaded ? withLog(next, id, { ...empty, pending: log.pending }) : next
}

/** Forgets a session that one may not read any more. */
export const withoutSession = (s: ClientState, id: string): ClientState =>
  counted({ ...s, sessions: without(s.sessions, id), logs: without(s.logs, id) })

/** Notes that a message is in the log. */
export function withSeq(s: ClientState, m: Message): ClientState {
  const held = s.sessions[m.session]
  const typing = s.typing[m.session]?.by === m.from.id ? without(s.typing, m.session) : s.typing
  if (!held || held.seq >= m.seq) return typing === s.typing ? s : { ...s, typing }
  return { ...s, typing, sessions: having(s.sessions, m.session, { ...held, seq: m.seq }) }
}

export function withUnread(s: ClientState, id: string, unread: number, readSeq?: number): ClientState {
  const held = s.sessions[id]
  return held ? counted({ ...s, sessions: having(s.sessions, id, { ...held, unread, readSeq: readSeq ?? held.readSeq }) }) : s
}

// A level of priority is worth ten minutes of waiting.
const place = (s: Session) => Date.parse(s.created) - s.priority * 600_000

const inLine = (all: Session[]) => [...all].sort((a, b) => place(a) - place(b))

/** What is told of a queue, and, where there was no room for all of it, what is held of the rest. */
export function told(held: QueueView | undefined, size: number, head: Session[]): Session[] {
  const end = last(head)
  if (!held || !end || head.length >= size) return head
  const ids = new Set(head.map((s) => s.id))
  return [...head, ...held.waiting.filter((s) => !ids.has(s.id) && place(s) >= place(end))]
}

/** The whole of a queue, as far as it was listed: what waits for sure, and what the list has. */
export function withTail(s: ClientState, id: string, sure: Set<string>, listed: Session[]): ClientState {
  const q = s.queues[id]
  if (!q) return s
  const all = new Map(listed.map((x) => [x.id, x]))
  for (const x of q.waiting) if (sure.has(x.id) || all.has(x.id)) all.set(x.id, x)
  return { ...s, queues: having(s.queues, id, { ...q, waiting: inLine([...all.values()]) }) }
}

function queue(q: QueueView | undefined, e: Extract<Event, { event: 'queue' }>): QueueView {
  let waiting = e.reset ? told(q, e.size, e.reset) : (q?.waiting ?? [])
  const { added } = e
  if (added && waiting.some((s) => s.id === added.id)) waiting = waiting.map((s) => (s.id === added.id ? added : s))
  else if (added) {
    const at = waiting.findIndex((s) => place(s) > place(added))
    waiting = at < 0 ? [...waiting, added] : [...waiting.slice(0, at), added, ...waiting.slice(at)]
  }
  if (e.removed) waiting = waiting.filter((s) => s.id !== e.removed)
  return { queue: e.queue, waiting, size: e.size, oldest: waiting[0]?.created ?? null }
}

/** What an event changes; messages and what was missed are the client's business. */
export function reduce(s: ClientState, e: Event): ClientState {
  switch (e.event) {
    case 'hello': {
      const offers = e.offers.map((o) => s.offers.find((held) => held.session.id === o.id) ?? { session: o, from: '', note: '', expires: null })
      const next: ClientState = Object.keys(s.sessions).reduce((st, id) => lowered(st, id), { ...s, me: e.me, offers, typing: none() } as ClientState)
      return e.sessions.reduce(withSession, next)
    }
    case 'reset':
      return voided(s, e.session)
    case 'session':
      return withSession(s, e.session)
    case 'unread':
      return withUnread(s, e.session, e.unread)
    case 'recalled':
      return s.logs[e.session] ? withLog(s, e.session, recall(s.logs[e.session]!, e.seq)) : s
    case 'read':
      return { ...s, marks: having(s.marks, e.session, having(s.marks[e.session], e.by, e.seq)) }
    case 'typing':
      return { ...s, typing: having(s.typing, e.session, { by: e.by, text: e.text, until: Date.now() + 5000 }) }
    case 'position':
      return { ...s, positions: having<Position>(s.positions, e.session, e) }
    case 'offer':
      return { ...s, offers: [...s.offers.filter((o) => o.session.id !== e.session.id), e] }
    case 'offer-ended':
      return { ...s, offers: s.offers.filter((o) => o.session.id !== e.session) }
    case 'queue':
      return { ...s, queues: having(s.queues, e.queue, queue(s.queues[e.queue], e)) }
    case 'presence':
      return { ...s, agents: having<Presence>(s.agents, e.agent, e) }
    default:
      return s
  }
}
