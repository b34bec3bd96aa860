import type { Message, MessageType, Session } from './types.js'

/** A send that the server has not acknowledged yet. */
export interface Pending {
  key: string
  session: string
  type: MessageType
  body: unknown
  replyTo?: number
  /** When it was written, by the server's clock as far as it is known. */
  at: string
  state: 'sending' | 'failed'
  /** Why it failed: an error code of the protocol. */
  error?: string
}

/** What is held of one session's messages. Immutable: a change makes a new one. */
export interface Log {
  /** Ascending by seq; each once. */
  messages: readonly Message[]
  /** Sends under way, in their order, after all messages. */
  pending: readonly Pending[]
  /** Whether there are older messages than the first one held. */
  more: boolean
  /** Whether anything was read yet. */
  loaded: boolean
  /** Up to where everything was seen: what is asked for after a reconnect begins here. */
  cursor: { seq: number; mid: string }
}

/** `at(-1)`, which phones of 2021 have not. */
export const last = <T>(all: readonly T[]): T | undefined => all[all.length - 1]

export const empty: Log = { messages: [], pending: [], more: true, loaded: false, cursor: { seq: 0, mid: '' } }

/** Inserts messages by seq; one that is held already is replaced, unless it is the same and recalled. */
export function merge(log: Log, added: readonly Message[]): Log {
  if (!added.length) return log
  const end = last(log.messages)?.seq ?? 0
  let messages: Message[]
  if (added.every((m, i) => m.seq > (i ? added[i - 1]!.seq : end))) {
    messages = [...log.messages, ...added]
  } else {
    const bySeq = new Map(log.messages.map((m) => [m.seq, m]))
    for (const m of added) {
      const held = bySeq.get(m.seq)
      if (!held?.recalled || held.mid !== m.mid) bySeq.set(m.seq, m)
    }
    messages = [...bySeq.values()].sort((a, b) => a.seq - b.seq)
  }
  const keys = new Set(added.map((m) => m.key))
  return { ...log, messages, pending: log.pending.filter((p) => !keys.has(p.key)) }
}

/** Moves the cursor over an event or a page of history, which come in order. */
export function advance(log: Log, m: Message): Log {
  return m.seq > log.cursor.seq ? { ...log, cursor: { seq: m.seq, mid: m.mid } } : log
}

/** Whether a session's log ends elsewhere than what is held of it, ahead or behind. Older servers name no `mid`. */
export const differs = (log: Log, s: Session) =>
  s.seq !== log.cursor.seq || (s.mid !== undefined && s.mid !== log.cursor.mid) || (last(log.messages)?.seq ?? 0) > s.seq

/** Whether another message is held in a message's place: then what is held is void. */
export function contradicts(log: Log, m: Message) {
  const { seq, mid } = log.cursor
  return (m.seq === seq && m.mid !== mid) || (m.seq <= (last(log.messages)?.seq ?? 0) && log.messages.some((held) => held.seq === m.seq && held.mid !== m.mid))
}

/** Takes a recalled message's content away, and that of its kind. */
export function recall(log: Log, seq: number): Log {
  return {
    ...log,
    messages: log.messages.map((m) => (m.seq === seq ? { ...m, recalled: true, body: undefined } : m)),
  }
}
