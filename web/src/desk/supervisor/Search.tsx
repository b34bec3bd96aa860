import { Button, Empty, Input } from 'antd'
import type { Message, Session } from 'bellhop-client'
import { useState } from 'react'
import { Guard } from '../../lib/Guard'
import { useLocale } from '../../lib/i18n'
import { encoded, rows, text } from '../../lib/safe'
import { fullTime } from '../../lib/time'
import { useClient } from '../../lib/useClient'
import { useRefusal } from './api'
import { QueueSelect } from './QueueSelect'

type Hit = Message & { snippet: { text: string; hit?: boolean }[] }
type Page = { messages: Hit[]; cursor: string }

const Snippet = ({ of }: { of: Hit['snippet'] }) => <span dir="auto">{rows(of).map((p, i) => (p.hit ? <mark key={i}>{text(p.text)}</mark> : text(p.text)))}</span>

/** Finds words in all that was archived, Chinese and English. */
export function Search({ onRead }: { onRead: (s: Session) => void }) {
  const { t, language } = useLocale()
  const client = useClient()
  const refused = useRefusal()
  const [words, setWords] = useState('')
  const [filter, setFilter] = useState({ queue: '', user: '', agent: '' })
  const [page, setPage] = useState<Page>()
  const [busy, setBusy] = useState(false)

  const search = (q: string, cursor = '') => {
    if (!q.trim()) return
    setBusy(true)
    setWords(q)
    const query = new URLSearchParams({ q: q.trim(), limit: '30', ...Object.fromEntries(Object.entries({ ...filter, cursor }).filter(([, v]) => v)) })
    client.request<Page>(`/search?${query.toString()}`)
      .then((p) => setPage((held) => (cursor && held ? { messages: [...rows(held.messages), ...rows(p.messages)], cursor: p.cursor } : p)))
      .catch(refused)
      .finally(() => setBusy(false))
  }
  const read = (id: string) => client.request<{ session: Session }>(`/sessions/${encoded(id)}`).then((r) => onRead(r.session)).catch(refused)
  return (
    <>
      <div className="sup-bar">
        <Input.Search allowClear autoFocus enterButton loading={busy} placeholder={t('sup.search')} aria-label={t('sup.search')} onSearch={(q) => search(q)} />
        <QueueSelect onChange={(queue) => setFilter((f) => ({ ...f, queue }))} />
        {(['agent', 'user'] as const).map((k) => (
          <Input key={k} placeholder={t(`sup.filter.${k}`)} aria-label={t(`sup.filter.${k}`)} onChange={(e) => setFilter((f) => ({ ...f, [k]: e.target.value.trim() }))} />
        ))}
      </div>
      {page && rows(page.messages).length === 0 && <Empty description={t('sup.search.none')} />}
      <ul className="sup-hits">
        {rows(page?.messages).map((m) => (
          <li key={m.mid}>
            <Guard of={m} name={`message ${m.mid}`}>
              <button type="button" onClick={() => void read(m.session)}>
                <small><bdi>{m.from.name || m.from.id}</bdi> · {fullTime(m.at, language)}</small>
                <Snippet of={m.snippet} />
              </button>
            </Guard>
          </li>
        ))}
      </ul>
      {page?.cursor && <Button block loading={busy} onClick={() => search(words, page.cursor)}>{t('sup.more')}</Button>}
    </>
  )
}
