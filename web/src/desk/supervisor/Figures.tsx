import { Button, Select, Table, type TableColumnsType } from 'antd'
import { useMemo, useState } from 'react'
import { useLocale } from '../../lib/i18n'
import { Guard } from '../../lib/Guard'
import { QueueName } from '../../lib/queueNames'
import { count, encoded, isoTime, rows, text } from '../../lib/safe'
import { serverNow } from '../../lib/serverTime'
import { clock, formatted } from '../../lib/time'
import { useClientState } from '../../lib/useClient'
import { useAnswer, useDownload, type Counts, type Stats, type Times } from './api'
import { Chart } from './Chart'
import { Tile } from './Live'
import { guarded } from './rowGuard'
import { Wide } from './Wide'

const ranges = { day: { days: 1, bucket: 'hour' }, week: { days: 7, bucket: 'day' }, month: { days: 30, bucket: 'day' } } as const
type Range = keyof typeof ranges

const seconds = (t?: Times) => clock(count(t?.median) ?? NaN)
const mean = (r?: Counts['ratings']) => count(r?.mean)?.toFixed(2) ?? '—'

/** What was: counts and times by time, by queue and by agent. */
export default function Figures() {
  const { t, language } = useLocale()
  const [range, setRange] = useState<Range>('day')
  const [queue, setQueue] = useState('')
  const [since] = useState(serverNow)
  const queues = useClientState((s) => s.queues)
  const download = useDownload()
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const { days, bucket } = ranges[range]
  const query = `?since=${encoded(isoTime(since - days * 86_400_000))}&bucket=${bucket}&tz=${encoded(zone)}${queue && `&queue=${encoded(queue)}`}`
  const [stats] = useAnswer<Stats>(`/stats${query}`, 60)

  const charts = useMemo(() => {
    if (!stats) return
    const format = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', bucket === 'hour' ? { hour: '2-digit', minute: '2-digit', hour12: false } : { month: 'short', day: 'numeric' })
    const buckets = rows(stats.buckets)
    const x = buckets.map((b) => formatted(b.start, format))
    const line = (name: string, of: (c: Counts) => number | null | undefined) => ({ name, data: buckets.map((b) => count(of(b)) ?? null) })
    const agents = rows(stats.agents).slice(0, 20)
    const botted = hasBots(stats)
    return {
      counts: { x, series: [line(t('sup.opened'), (c) => c.opened), line(t('sup.grabbed'), (c) => c.grabbed), line(t('sup.ended'), (c) => c.ended), line(t('sup.abandoned'), (c) => c.abandoned)] },
      times: { x, series: [line(t('sup.first-response'), (c) => c.firstResponse?.median), line(t('sup.first-response.95'), (c) => c.firstResponse?.p95), ...(botted ? [line(t('sup.bots-first-response'), (c) => c.bots?.firstResponse?.median)] : []), line(t('sup.waiting-time'), (c) => c.waitingTime?.median)] },
      handling: { x, series: [line(t('sup.handling'), (c) => c.handling?.median), line(t('sup.handling.95'), (c) => c.handling?.p95)] },
      agents: { x: agents.map((a) => text(a.name) || text(a.agent)), series: [{ name: t('sup.grabbed'), data: agents.map((a) => count(a.grabbed) ?? null) }, { name: t('sup.ended'), data: agents.map((a) => count(a.ended) ?? null) }] },
    }
  }, [stats, t, language, bucket])

  const ofAgents: TableColumnsType<Stats['agents'][number]> = [
    { title: t('sup.agent'), dataIndex: 'name', render: (n: string, a) => <bdi>{text(n) || text(a.agent)}</bdi> },
    ...columns(t, hasBots(stats)),
    { title: t('sup.occupancy'), align: 'right', render: (_, a) => (count(a.occupancy?.rate) === undefined ? '—' : `${Math.round(100 * a.occupancy!.rate!)} %`) },
  ]
  return (
    <>
      <div className="sup-bar">
        <Select<Range> value={range} aria-label={t('sup.range')} onChange={setRange} options={(Object.keys(ranges) as Range[]).map((value) => ({ value, label: t(`sup.range.${value}`) }))} />
        <Select value={queue} aria-label={t('desk.queue')} popupMatchSelectWidth={false} onChange={setQueue} options={[{ value: '', label: t('desk.queue.all') }, ...Object.keys(queues).sort().map((value) => ({ value, label: <QueueName id={value} /> }))]} />
        <Button onClick={() => download(`/stats${query}&format=csv&bom=true`, 'bellhop.csv')}>{t('sup.csv')}</Button>
      </div>
      {stats && (
        <div className="sup-tiles">
          <Tile label={t('sup.opened')} value={count(stats.totals?.opened) ?? '—'} />
          <Tile label={t('sup.abandoned')} value={count(stats.totals?.abandoned) ?? '—'} />
          <Tile label={t('sup.first-response')} value={seconds(stats.totals?.firstResponse)} />
          <Tile label={t('sup.handling')} value={seconds(stats.totals?.handling)} />
          {hasBots(stats) && <Tile label={t('sup.bots-first-response')} value={seconds(stats.totals?.bots?.firstResponse)} />}
          {hasBots(stats) && <Tile label={t('sup.bots-handling')} value={seconds(stats.totals?.bots?.handling)} />}
          <Tile label={t('sup.rating')} value={mean(stats.totals?.ratings)} />
        </div>
      )}
      {charts && (
        <div className="sup-charts">
          <Guard of={charts} name="a chart"><Chart title={t('sup.by-time')} kind="bar" {...charts.counts} /></Guard>
          <Guard of={charts} name="a chart"><Chart title={t('sup.response-by-time')} kind="line" unit="s" {...charts.times} /></Guard>
          <Guard of={charts} name="a chart"><Chart title={t('sup.handling-by-time')} kind="line" unit="s" {...charts.handling} /></Guard>
          <Guard of={charts} name="a chart"><Chart title={t('sup.by-agent')} kind="bar" {...charts.agents} /></Guard>
        </div>
      )}
      <h2>{t('desk.queues')}</h2>
      <Wide label={t('desk.queues')}><Table size="small" components={guarded} rowKey={(q) => q.queue ?? ''} pagination={{ pageSize: 20, hideOnSinglePage: true }} dataSource={rows(stats?.queues)} columns={[{ title: t('desk.queue'), dataIndex: 'queue', render: (q: string | null) => <bdi>{text(q) ? <QueueName id={text(q)} /> : t('sup.others')}</bdi> }, ...columns(t, hasBots(stats))]} /></Wide>
      <h2>{t('sup.agents')}</h2>
      <Wide label={t('sup.agents')}><Table size="small" components={guarded} rowKey="agent" pagination={{ pageSize: 20, hideOnSinglePage: true }} dataSource={rows(stats?.agents)} columns={ofAgents} /></Wide>
    </>
  )
}

/** Whether bots said or held anything: without them nothing is shown of them. */
const hasBots = (s?: Stats) => [s?.totals?.bots?.firstResponse, s?.totals?.bots?.handling].some((times) => Boolean(count(times?.count)))

const columns = (t: ReturnType<typeof useLocale>['t'], botted: boolean) => [
  { title: t('sup.opened'), dataIndex: 'opened', align: 'right' as const },
  { title: t('sup.grabbed'), dataIndex: 'grabbed', align: 'right' as const },
  { title: t('sup.ended'), dataIndex: 'ended', align: 'right' as const },
  ...(['waitingTime', 'firstResponse', 'handling'] as const).map((k) => ({ title: t(k === 'waitingTime' ? 'sup.waiting-time' : k === 'firstResponse' ? 'sup.first-response' : 'sup.handling'), dataIndex: k, align: 'right' as const, render: seconds })),
  ...(botted ? [{ title: t('sup.bots-first-response'), dataIndex: 'bots', key: 'bots', align: 'right' as const, render: (b: Counts['bots']) => seconds(b?.firstResponse) }] : []),
  { title: t('sup.rating'), dataIndex: 'ratings', align: 'right' as const, render: mean },
]
