import { Badge, Progress, Table } from 'antd'
import type { Session } from 'bellhop-client'
import { useT } from '../../lib/i18n'
import { QueueList, QueueName } from '../../lib/queueNames'
import { count, rows, text, timeOf } from '../../lib/safe'
import { useServerNow } from '../../lib/serverTime'
import { clock } from '../../lib/time'
import { useClientState } from '../../lib/useClient'
import { agentsOf, type Agent } from '../agents'
import { statuses } from '../sessions'
import { useAnswer, type Stats } from './api'
import { guarded } from './rowGuard'
import { Wide } from './Wide'

/** How things stand: queues and agents, by events as they come and by a look every 15 s. */
export function Live() {
  const t = useT()
  const [stats] = useAnswer<Stats>('/stats', 15)
  const [all] = useAnswer<{ agents: Agent[] }>('/agents', 15)
  const watched = useClientState((s) => s.queues)
  const presence = useClientState((s) => s.agents)
  const now = useServerNow()
  const names = new Set([...Object.keys(watched), ...rows(stats?.queues).flatMap((q) => (text(q.queue) && (q.waiting || q.serving) ? [text(q.queue)] : []))])
  const queues = [...names].sort().map((id) => {
    const counted = rows(stats?.queues).find((q) => q.queue === id)
    const w = watched[id]
    return { id, waiting: count(w?.size) ?? count(counted?.waiting) ?? 0, serving: count(counted?.serving) ?? 0, oldest: oldest(w?.waiting), first: count(counted?.firstResponse?.median) ?? null }
  })
  const agents = agentsOf(all?.agents, presence).sort((a, b) => rank(a.status) - rank(b.status) || b.load - a.load)
  return (
    <>
      <div className="sup-tiles">
        <Tile label={t('sup.waiting')} value={queues.reduce((n, q) => n + q.waiting, 0)} />
        <Tile label={t('sup.serving')} value={count(stats?.serving) ?? '…'} />
        <Tile label={t('sup.online')} value={agents.filter((a) => a.status === 'online').length} />
        <Tile label={t('sup.room')} value={agents.filter((a) => a.status === 'online').reduce((n, a) => n + Math.max(0, a.capacity - a.load), 0)} />
      </div>
      <h2>{t('desk.queues')}</h2>
      <Wide label={t('desk.queues')}><Table size="small" components={guarded} rowKey="id" pagination={false} dataSource={queues} columns={[
        { title: t('desk.queue'), dataIndex: 'id', render: (id: string) => <bdi><QueueName id={id} /></bdi> },
        { title: t('sup.waiting'), dataIndex: 'waiting', align: 'right' },
        { title: t('sup.serving'), dataIndex: 'serving', align: 'right' },
        { title: t('sup.oldest'), dataIndex: 'oldest', align: 'right', render: (at: number) => (at ? clock((now - at) / 1000) : '—') },
        { title: t('sup.first-response'), dataIndex: 'first', align: 'right', render: (s: number | null) => (s === null ? '—' : clock(s)) },
      ]} /></Wide>
      <h2>{t('sup.agents')}</h2>
      <Wide label={t('sup.agents')}><Table size="small" components={guarded} rowKey="id" pagination={{ pageSize: 50, hideOnSinglePage: true }} dataSource={agents} columns={[
        { title: t('sup.agent'), dataIndex: 'name', render: (name: string, a) => <><Badge status={a.status === 'online' ? 'success' : a.status === 'away' ? 'warning' : 'default'} /> <bdi>{name || a.id}</bdi></> },
        { title: t('sup.status'), dataIndex: 'status', render: (s: Agent['status'], a) => (a.disabled ? t('sup.disabled') : t(`desk.status.${s}`)) },
        { title: t('sup.load'), dataIndex: 'load', render: (load: number, a) => <span className="sup-load"><Progress percent={Math.min(100, (100 * load) / Math.max(1, a.capacity))} size="small" showInfo={false} aria-label={t('sup.load')} /> {t('desk.load', { load, capacity: a.capacity })}</span> },
        { title: t('desk.queues'), dataIndex: 'queues', render: (q: string[]) => <QueueList of={q} /> },
      ]} /></Wide>
    </>
  )
}

const rank = (s: Agent['status']) => statuses.indexOf(s)

const oldest = (waiting: readonly Session[] = []) => waiting.reduce((first, s) => Math.min(first || Infinity, timeOf(s.created) ?? Infinity), 0)

export function Tile({ label, value }: { label: string; value: number | string }) {
  return <div className="sup-tile"><b>{value}</b><span>{label}</span></div>
}
