import type { Client } from 'bellhop-client'
import { useCallback, useState } from 'react'
import { fields, parseJSON, text as written } from '../lib/safe'
import { local } from '../lib/store'
import { useClient } from '../lib/useClient'

/** What is being written in a session. */
export interface Draft {
  text: string
  /** It is for colleagues only: it must not come back as something the user gets. */
  note: boolean
}

const nothing: Draft = { text: '', note: false }

/** As many are kept, the newest; for so long, in ms; of so many characters each. */
const most = 50
const lasting = 30 * 86_400_000
const longest = 20_000

const held = new Map<string, Draft>()

const prefix = 'bellhop:draft:'

/** A draft is one person's, in one session. */
const slotOf = ({ state }: Client, session: string) => `${prefix}${state.me?.role ?? ''}:${encodeURIComponent(state.me?.id ?? '')}:${session}`

function read(slot: string) {
  const d = fields(parseJSON(local.getItem(slot)))
  return { text: written(d['text']), note: d['note'] === true, at: typeof d['at'] === 'number' ? d['at'] : 0 }
}

export function draftOf(client: Client, session: string): Draft {
  const slot = slotOf(client, session)
  let d = held.get(slot)
  if (!d) {
    const { text, note, at } = read(slot)
    held.set(slot, (d = text && Date.now() - at < lasting ? { text, note } : nothing))
  }
  return d
}

function keep(client: Client, session: string, d: Draft) {
  const slot = slotOf(client, session)
  const first = !held.get(slot)?.text
  held.set(slot, d)
  if (d.text) local.setItem(slot, JSON.stringify({ text: d.text.slice(0, longest), note: d.note, at: Date.now() }))
  else local.removeItem(slot)
  if (first && d.text) prune()
}

/** Forgets the oldest, whosever they are. */
function prune() {
  const slots = local.keys().filter((k) => k.startsWith(prefix))
  const all = slots.map((slot) => ({ slot, at: read(slot).at })).sort((a, b) => b.at - a.at)
  for (const [i, { slot, at }] of all.entries()) if (i >= most || Date.now() - at > lasting) local.removeItem(slot)
}

/** What is being written in a session, kept while one looks at others, and over reloads. */
export function useDraft(session: string, note: boolean): [string, (text: string) => void] {
  const client = useClient()
  const [, again] = useState(0)
  const set = useCallback(
    (text: string) => {
      keep(client, session, { text, note })
      again((n) => n + 1)
    },
    [client, session, note],
  )
  return [draftOf(client, session).text, set]
}

/** Whether what is written is for colleagues: the draft says so, until one chooses. */
export function useNote(session: string): [boolean, (note: boolean) => void] {
  const client = useClient()
  const [note, set] = useState(() => draftOf(client, session).note)
  const choose = useCallback(
    (to: boolean) => {
      const { text } = draftOf(client, session)
      if (text) keep(client, session, { text, note: to })
      set(to)
    },
    [client, session],
  )
  return [note, choose]
}
