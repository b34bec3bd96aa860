import type { ClosedReason, LinkStatus } from './link.js'
import { empty, recall, type Log } from './log.js'
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

export const initial: ClientState = {
  status: 'waiting', nextAttempt: 0, resumed: false, sessions: {}, logs: {}, unread: 0, offers: [], positions: {}, typing: {}, marks: {},
  queues: {}, agents: {},
}

const without = <T>(all: Record<string, T>, key: string): Record<string, T> => {
  if (!(key in all)) return all
  const { [key]: _, ...rest } = all
  return rest
}

export const logOf = (s: ClientState, session: string): Log => s.logs[session] ?? empty

export const withLog = (s: ClientState, session: string, log: Log): ClientState =>
  log === logOf(s, session) ? s : { ...s, logs: { ...s.logs, [session]: log } }

function counted(s: ClientState): ClientState {
  const { id, role } = s.me ?? {}
  const takesPart = (x: Session) => role === 'user' || x.agent?.id === id || x.assistants.some((a) => a.id === id)
  return { ...s, unread: Object.values(s.sessions).reduce((n, x) => (takesPart(x) ? n + x.unread : n), 0) }
}

/** Takes over a session, unless a later state of it is held. */
export function withSession(s: ClientState, session: Session): ClientState {
  const held = s.sessions[session.id]
  if (held && held.rev > session.rev) return s
  const seq = Math.max(held?.seq ?? 0, session.seq)
  const positions = session.state === 'waiting' ? s.positions : without(s.positions, session.id)
  return counted({ ...s, positions, sessions: { ...s.sessions, [session.id]: { ...session, seq } } })
}

/** Forgets a session that one may not read any more. */
export const withoutSession = (s: ClientState, id: string): ClientState =>
  counted({ ...s, sessions: without(s.sessions, id), logs: without(s.logs, id) })

/** Notes that a message is in the log. */
export function withSeq(s: ClientState, m: Message): ClientState {
  const held = s.sessions[m.session]
  const typing = s.typing[m.session]?.by === m.from.id ? without(s.typing, m.session) : s.typing
  if (!held || held.seq >= m.seq) return typing === s.typing ? s : { ...s, typing }
  return { ...s, typing, sessions: { ...s.sessions, [m.session]: { ...held, seq: m.seq } } }
}

export function withUnread(s: ClientState, id: string, unread: number, readSeq?: number): ClientState {
  const held = s.sessions[id]
  return held ? counted({ ...s, sessions: { ...s.sessions, [id]: { ...held, unread, readSeq: readSeq ?? held.readSeq } } }) : s
}

// A level of priority is worth ten minutes of waiting.
const place = (s: Session) => Date.parse(s.created) - s.priority * 600_000

function queue(q: QueueView | undefined, e: Extract<Event, { event: 'queue' }>): QueueView {
  let waiting = e.reset ?? q?.waiting ?? []
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
      return e.sessions.reduce(withSession, { ...s, me: e.me, offers, typing: {} })
    }
    case 'session':
      return withSession(s, e.session)
    case 'unread':
      return withUnread(s, e.session, e.unread)
    case 'recalled':
      return s.logs[e.session] ? withLog(s, e.session, recall(s.logs[e.session]!, e.seq)) : s
    case 'read':
      return { ...s, marks: { ...s.marks, [e.session]: { ...s.marks[e.session], [e.by]: e.seq } } }
    case 'typing':
      return { ...s, typing: { ...s.typing, [e.session]: { by: e.by, text: e.text, until: Date.now() + 5000 } } }
    case 'position':
      return { ...s, positions: { ...s.positions, [e.session]: e } }
    case 'offer':
      return { ...s, offers: [...s.offers.filter((o) => o.session.id !== e.session.id), e] }
    case 'offer-ended':
      return { ...s, offers: s.offers.filter((o) => o.session.id !== e.session) }
    case 'queue':
      return { ...s, queues: { ...s.queues, [e.queue]: queue(s.queues[e.queue], e) } }
    case 'presence':
      return { ...s, agents: { ...s.agents, [e.agent]: e } }
    default:
      return s
  }
}
