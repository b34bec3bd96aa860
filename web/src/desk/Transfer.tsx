import { Badge, Input, Modal, Radio, Tabs } from 'antd'
import type { Session, Status } from 'bellhop-client'
import { useEffect, useState } from 'react'
import { useT } from '../lib/i18n'
import { QueueName } from '../lib/queueNames'
import { rows, texts } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { agentsOf, type Agent } from './agents'

/** Hands a session to a colleague, who may accept, or puts it into a queue. */
export function Transfer({ session, onClose, onDone }: { session: Session; onClose: () => void; onDone: (what: Promise<unknown>) => void }) {
  const t = useT()
  const client = useClient()
  const me = useClientState((s) => s.me?.id)
  const live = useClientState((s) => s.agents)
  const [agents, setAgents] = useState<Agent[]>([])
  const [queues, setQueues] = useState<string[]>([])
  const [to, setTo] = useState<{ agent: string } | { queue: string }>()
  const [note, setNote] = useState('')
  useEffect(() => {
    client.request<{ agents: Agent[] }>('/agents?limit=200').then((r) => setAgents(r.agents)).catch(() => {}) // the list stays empty
    client.request<{ queues: { id: string }[] }>('/queues?limit=200').then((r) => setQueues(texts(rows(r.queues).map((q) => q.id)))).catch(() => {})
  }, [client])
  const colleagues = agentsOf(agents, live)
    .filter((a) => a.id !== me && a.id !== session.agent?.id && a.queues.includes(session.queue))
    .sort((a, b) => rank(a) - rank(b) || a.load / a.capacity - b.load / b.capacity)
  const send = () => {
    if (to) onDone(client.transfer(session.id, to, note.trim()))
    onClose()
  }
  const picked = to && ('agent' in to ? `a:${to.agent}` : `q:${to.queue}`)
  return (
    <Modal open title={t('desk.transfer')} okText={t('desk.transfer')} cancelText={t('cancel')} okButtonProps={{ disabled: !to }} onOk={send} onCancel={onClose}>
      <Radio.Group className="desk-targets" value={picked} onChange={(e) => { const v = String(e.target.value); setTo(v.startsWith('a:') ? { agent: v.slice(2) } : { queue: v.slice(2) }) }}>
        <Tabs items={[
          { key: 'agents', label: t('desk.colleagues'), children: colleagues.length === 0 ? t('desk.colleagues.none') : colleagues.map((a) => (
            <Radio key={a.id} value={`a:${a.id}`} disabled={a.status !== 'online' || a.load >= a.capacity}>
              <Badge status={a.status === 'online' ? 'success' : a.status === 'away' ? 'warning' : 'default'} /> <bdi>{a.name || a.id}</bdi> <small>{t(`desk.status.${a.status}`)} · {t('desk.load', { load: a.load, capacity: a.capacity })}</small>
            </Radio>
          )) },
          { key: 'queues', label: t('desk.queues'), children: queues.map((q) => <Radio key={q} value={`q:${q}`}><bdi><QueueName id={q} /></bdi></Radio>) },
        ]} />
      </Radio.Group>
      <Input.TextArea rows={2} maxLength={300} value={note} dir="auto" aria-label={t('desk.transfer.note')} placeholder={t('desk.transfer.note')} onChange={(e) => setNote(e.target.value)} />
    </Modal>
  )
}

const rank = (a: { status: Status; load: number; capacity: number }) => (a.status !== 'online' ? 2 : a.load >= a.capacity ? 1 : 0)
