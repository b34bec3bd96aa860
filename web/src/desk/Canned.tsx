import type { Session } from 'bellhop-client'
import { useEffect, useMemo, useState, type KeyboardEvent, type ReactNode } from 'react'
import { fold } from '../lib/fold'
import { useT } from '../lib/i18n'
import { rows, text } from '../lib/safe'
import { useClient } from '../lib/useClient'

interface Reply {
  id: string
  shortcut: string
  title: string
  text: string
}

const whole = (r: Reply): Reply => ({ id: text(r.id), shortcut: text(r.shortcut), title: text(r.title), text: text(r.text) })

/** Canned replies: `/` in an empty composer lists them, what follows filters them, Enter fills one in for this session. */
export function useCanned(session: Session) {
  const client = useClient()
  const [all, setAll] = useState<Reply[]>()
  const [at, setAt] = useState(0)

  const found = (typed: string) => {
    const word = fold(typed) // a Chinese keyboard's slash is a wide one
    if (!word.startsWith('/') || word.includes('\n')) return []
    return (all ?? []).filter((r) => fold(r.shortcut).startsWith(word.slice(1)) || fold(r.title).includes(word.slice(1))).slice(0, 8)
  }
  const fill = (r: Reply, setText: (s: string) => void) => {
    setAt(0)
    client.canned(session.id, r.id).then((filled) => setText(text(filled))).catch(() => setText(r.text)) // as it is written, to be filled in by hand
  }
  const onKey = (e: KeyboardEvent, text: string, setText: (s: string) => void) => {
    const list = found(text)
    if (!list.length) return false
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (step) setAt((n) => (n + step + list.length) % list.length)
    else if (e.key === 'Enter' || e.key === 'Tab') fill(list[Math.min(at, list.length - 1)]!, setText)
    else if (e.key === 'Escape') setText('')
    else return false
    e.preventDefault()
    return true
  }
  const above = (text: string, setText: (s: string) => void): ReactNode =>
    text.startsWith('/') && <Picker wanted={all === undefined} onLoad={setAll} list={found(text)} at={at} onPick={(r) => fill(r, setText)} />
  return { onKey, above }
}

interface PickerProps {
  wanted: boolean
  onLoad: (all: Reply[]) => void
  list: Reply[]
  at: number
  onPick: (r: Reply) => void
}

function Picker({ wanted, onLoad, list, at, onPick }: PickerProps) {
  const t = useT()
  const client = useClient()
  useEffect(() => {
    if (wanted) client.request<{ canned: Reply[] }>('/canned?limit=200').then((r) => onLoad(rows(r.canned).map(whole))).catch(() => onLoad([]))
  }, [client, wanted, onLoad])
  const marked = useMemo(() => Math.min(at, list.length - 1), [at, list.length])
  return (
    <ul className="desk-canned" role="listbox" aria-label={t('desk.canned')}>
      {list.length === 0 && <li>{t(wanted ? 'loading' : 'desk.canned.none')}</li>}
      {list.map((r, i) => (
        <li key={r.id} role="option" aria-selected={i === marked} onMouseDown={(e) => { e.preventDefault(); onPick(r) }}>
          <b>/{r.shortcut}</b> {r.title} <span dir="auto">{r.text}</span>
        </li>
      ))}
    </ul>
  )
}
