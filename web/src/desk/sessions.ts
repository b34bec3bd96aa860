import type { ClientState, Session, State } from 'bellhop-client'
import type { T } from '../lib/i18n'
import { oneOf, text } from '../lib/safe'

/** Whether somebody serves a session: as its owner or as an assistant. */
export const serves = (s: Session, id: string) => s.agent?.id === id || s.assistants.some((a) => a.id === id)

export const states: readonly State[] = ['waiting', 'serving', 'transferring', 'ending', 'ended']

/** A state in words; one that only another server knows, as it is. */
export function stateText(s: string, t: T) {
  const known = oneOf(s, states)
  return known ? t(`desk.state.${known}`) : s
}

export const statuses = ['online', 'away', 'offline'] as const

/** One's own sessions: the open ones, those with news first; then those that have ended. */
export function mine(s: ClientState): Session[] {
  const id = s.me?.id ?? ''
  const last = (x: Session) => s.logs[x.id]?.messages.at(-1)?.at ?? (text(x.grabbed) || x.created)
  return Object.values(s.sessions)
    .filter((x) => serves(x, id))
    .sort((a, b) => Number(a.state === 'ended') - Number(b.state === 'ended') || last(b).localeCompare(last(a)))
}
