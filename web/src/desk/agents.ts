import type { Presence, Status } from 'bellhop-client'
import { count, oneOf, rows, text, texts } from '../lib/safe'
import { statuses } from './sessions'

export interface Agent {
  id: string
  name: string
  queues: string[]
  capacity: number
  disabled: boolean
  status: Status
  load: number
}

/** Agents as a call answers them, and as events have told of them since. */
export const agentsOf = (answered: readonly Agent[] | undefined, heard: Record<string, Presence> = {}): Agent[] =>
  rows(answered).map((a) => {
    const now = { ...a, ...heard[text(a.id)] }
    return { id: text(a.id), name: text(a.name), queues: texts(a.queues), disabled: Boolean(a.disabled), capacity: count(now.capacity) ?? 0, load: count(now.load) ?? 0, status: oneOf(now.status, statuses) ?? 'offline' }
  })
