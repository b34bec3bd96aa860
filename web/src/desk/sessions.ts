import type { ClientState, Session } from 'bellhop-client'

/** Whether somebody serves a session: as its owner or as an assistant. */
export const serves = (s: Session, id: string) => s.agent?.id === id || s.assistants.some((a) => a.id === id)

/** One's own sessions: the open ones, those with news first; then those that have ended. */
export function mine(s: ClientState): Session[] {
  const id = s.me?.id ?? ''
  const last = (x: Session) => s.logs[x.id]?.messages.at(-1)?.at ?? x.grabbed ?? x.created
  return Object.values(s.sessions)
    .filter((x) => serves(x, id))
    .sort((a, b) => Number(a.state === 'ended') - Number(b.state === 'ended') || last(b).localeCompare(last(a)))
}
