import type { Client } from 'bellhop-client'
import { useCallback, useState } from 'react'
import { fields, parseJSON, text as written } from '../lib/safe'
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

/** A browser's store, which may not be there, be full, or refuse: then drafts last as long as the page. */
const store = {
  get(slot: string) {
    try {
      return localStorage.getItem(slot)
    } catch {
      return null
    }
  },
  set(slot: string, value: string | undefined) {
    try {
      if (value === undefined) localStorage.removeItem(slot)
      else localStorage.setItem(slot, value)
    } catch {
      // it holds for this visit
    }
  },
  slots(prefix: string) {
    try {
      return Object.keys(localStorage).filter((k) => k.startsWith(prefix))
    } catch {
      return []
    }
  },
}

const held = new Map<string, Draft>()

const prefix = 'bellhop:draft:'

/** A draft is one person's, in one session. */
const slotOf = ({ state }: Client, session: string) => `${prefix}${state.me?.role ?? ''}:${encodeURIComponent(state.me?.id ?? '')}:${session}`

function read(slot: string) {
  const d = fields(parseJSON(store.get(slot)))
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
  store.set(slot, d.text ? JSON.stringify({ text: d.text.slice(0, longest), note: d.note, at: Date.now() }) : undefined)
  if (first && d.text) prune()
}

/** Forgets the oldest, whosever they are. */
function prune() {
  const all = store.slots(prefix).map((slot) => ({ slot, at: read(slot).at })).sort((a, b) => b.at - a.at)
  for (const [i, { slot, at }] of all.entries()) if (i >= most || Date.now() - at > lasting) store.set(slot, undefined)
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
