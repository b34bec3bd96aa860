import type { Log, Message, Pending, Session } from 'bellhop-client'
import { text, timeOf } from '../lib/safe'
import type { Upload } from './uploads'

/** What a conversation shows, from top to bottom. */
export type Item =
  | { kind: 'time'; id: string; at: string }
  | { kind: 'subject'; id: string; session: Session }
  | { kind: 'message'; id: string; message: Message }
  | { kind: 'pending'; id: string; pending: Pending }
  | { kind: 'upload'; id: string; upload: Upload }

/** After how long a pause the time is shown again. */
const pause = 5 * 60_000

/** What the session is about, messages with the times between them, then what is on its way. */
export function items(log: Log, uploads: readonly Upload[], session: Session): Item[] {
  const out: Item[] = []
  let last = 0
  const keys = new Set<string>()
  for (const m of log.messages) {
    const at = timeOf(m.at)
    if (at !== undefined && at - last > pause) out.push({ kind: 'time', id: `t${m.seq}`, at: m.at })
    last = at ?? last
    // One's own keeps its place by its key, from before it had a seq.
    const key = text(m.key)
    out.push({ kind: 'message', id: key && !keys.has(key) ? `k${key}` : `s${m.seq}`, message: m })
    keys.add(key)
  }
  // It is the first thing that was said, and shows with the log's beginning.
  if (!log.more && text(session.subject).trim()) out.splice(out[0]?.kind === 'time' ? 1 : 0, 0, { kind: 'subject', id: 'subject', session })
  for (const p of log.pending) out.push({ kind: 'pending', id: `k${p.key}`, pending: p })
  for (const u of uploads) out.push({ kind: 'upload', id: `u${u.id}`, upload: u })
  return out
}
