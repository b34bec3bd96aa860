import { Button, Dropdown, Input, Select, Table, Tag } from 'antd'
import type { Session, State } from 'bellhop-client'
import { useState } from 'react'
import { useLocale } from '../../lib/i18n'
import { QueueName } from '../../lib/queueNames'
import { encoded, rows, stars } from '../../lib/safe'
import { fullTime } from '../../lib/time'
import { useClient } from '../../lib/useClient'
import { states, stateText } from '../sessions'
import { useAnswer, useDownload, useRefusal } from './api'
import { QueueSelect } from './QueueSelect'
import { guarded } from './rowGuard'
import { Wide } from './Wide'

/** Everybody's sessions, live and archived, newest first. */
export function AllSessions({ onRead }: { onRead: (s: Session) => void }) {
  const { t } = useLocale()
  const [filter, setFilter] = useState<Record<string, string>>({})
  const path = `/sessions?${new URLSearchParams({ limit: '50', ...Object.fromEntries(Object.entries(filter).filter(([, v]) => v)) }).toString()}`
  const set = (k: string) => (v: string) => setFilter((f) => ({ ...f, [k]: v.trim() }))
  return (
    <>
      <div className="sup-bar">
        <Select mode="multiple" allowClear placeholder={t('sup.state')} aria-label={t('sup.state')} maxTagCount="responsive" onChange={(v: State[]) => set('state')(v.join(','))} options={states.map((value) => ({ value, label: stateText(value, t) }))} />
        <QueueSelect onChange={set('queue')} />
        {(['agent', 'user', 'label'] as const).map((k) => (
          <Input.Search key={k} allowClear placeholder={t(`sup.filter.${k}`)} aria-label={t(`sup.filter.${k}`)} onSearch={set(k)} />
        ))}
      </div>
      <List key={path} path={path} onRead={onRead} />
    </>
  )
}

type Page = { sessions: Session[]; cursor: string }

function List({ path, onRead }: { path: string; onRead: (s: Session) => void }) {
  const { t, language } = useLocale()
  const client = useClient()
  const refused = useRefusal()
  const download = useDownload()
  const [first] = useAnswer<Page>(path)
  const [more, setMore] = useState<Page>()
  const all = [...rows(first?.sessions), ...rows(more?.sessions)]
  const cursor = more ? more.cursor : first?.cursor
  const read = `&lang=${language}&tz=${encoded(Intl.DateTimeFormat().resolvedOptions().timeZone)}`
  const next = () =>
    client.request<Page>(`${path}&cursor=${encoded(cursor)}`).then((p) => setMore({ sessions: [...rows(more?.sessions), ...rows(p.sessions)], cursor: p.cursor })).catch(refused)
  return (
    <>
      <Wide label={t('desk.view.all')}><Table size="small" components={guarded} rowKey="id" loading={!first} pagination={false} dataSource={all} columns={[
        { title: t('sup.user'), dataIndex: 'user', render: (u: Session['user'], s) => <Button type="link" size="small" onClick={() => onRead(s)}><bdi>{u.name || u.id}</bdi></Button> },
        { title: t('desk.card.subject'), dataIndex: 'subject', render: (x: string) => <span className="sup-subject" dir="auto">{x}</span> },
        { title: t('sup.state'), dataIndex: 'state', render: (s: State) => <Tag>{stateText(s, t)}</Tag> },
        { title: t('desk.queue'), dataIndex: 'queue', render: (q: string) => <bdi><QueueName id={q} /></bdi> },
        { title: t('sup.agent'), dataIndex: 'agent', render: (a: Session['agent']) => <bdi>{a?.name || a?.id}</bdi> },
        { title: t('desk.card.since'), dataIndex: 'created', render: (at: string) => fullTime(at, language) },
        { title: t('sup.rating'), dataIndex: 'rating', render: (r: Session['rating']) => r && stars(r.score) },
        { title: t('sup.transcript'), render: (_, s) => (
          <Dropdown trigger={['click']} menu={{ items: ['html', 'text', 'json'].map((f) => ({ key: f, label: f, onClick: () => download(`/sessions/${encoded(s.id)}/transcript?format=${f}${read}`, `${s.id}.${f === 'text' ? 'txt' : f}`) })) }}>
            <Button size="small">{t('sup.export')}</Button>
          </Dropdown>
        ) },
      ]} /></Wide>
      {cursor && <Button block onClick={() => void next()}>{t('sup.more')}</Button>}
    </>
  )
}
