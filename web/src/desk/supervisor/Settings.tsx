import { App, Button, Form, Input, InputNumber, Modal, Select, Switch, Table, Tabs } from 'antd'
import { useState } from 'react'
import { Guard } from '../../lib/Guard'
import { useT } from '../../lib/i18n'
import { QueueList, queueNamesOf } from '../../lib/queueNames'
import { encoded, oneOf, parseJSON, rows, text, toJSON } from '../../lib/safe'
import { useClient } from '../../lib/useClient'
import { agentsOf, type Agent } from '../agents'
import { useAnswer, useRefusal } from './api'
import { guarded } from './rowGuard'
import { Wide } from './Wide'

/** Settings of queues and of agents. */
export function Settings() {
  const t = useT()
  return <Tabs items={[{ key: 'queues', label: t('desk.queues'), children: <Queues /> }, { key: 'agents', label: t('sup.agents'), children: <Agents /> }]} />
}

interface Queue {
  id: string
  name: string
  routing: 'grab' | 'auto'
  hours: unknown
  greeting: string
  offline: string
  bot: string
  priority: number
  [seconds: string]: unknown
}

const times = ['offerTimeout', 'endTimeout', 'idleTimeout', 'abandonTimeout', 'agentGrace', 'reopenWindow', 'sticky', 'patience'] as const

function Queues() {
  const t = useT()
  const [answer, again] = useAnswer<{ queues: Queue[] }>('/queues')
  const [open, setOpen] = useState<string>()
  const [name, setName] = useState('')
  return (
    <>
      <div className="sup-bar">
        <Input value={name} maxLength={64} placeholder={t('sup.queue.new')} aria-label={t('sup.queue.new')} onChange={(e) => setName(e.target.value)} onPressEnter={() => name.trim() && setOpen(name.trim())} />
        <Button disabled={!name.trim()} onClick={() => setOpen(name.trim())}>{t('sup.queue.add')}</Button>
      </div>
      <Wide label={t('desk.queues')}><Table size="small" components={guarded} rowKey="id" loading={!answer} pagination={{ pageSize: 30, hideOnSinglePage: true }} dataSource={rows(answer?.queues)} columns={[
        { title: t('desk.queue'), dataIndex: 'id', render: (id: string) => <Button type="link" size="small" onClick={() => setOpen(id)}><bdi>{id}</bdi></Button> },
        { title: t('sup.set.name'), dataIndex: 'name', render: (n: string) => <bdi>{text(n)}</bdi> },
        { title: t('sup.set.routing'), dataIndex: 'routing', render: (r: unknown) => t(`sup.routing.${oneOf(r, ['grab', 'auto']) ?? 'grab'}`) },
        { title: t('sup.set.idleTimeout'), dataIndex: 'idleTimeout', align: 'right' },
        { title: t('sup.set.patience'), dataIndex: 'patience', align: 'right' },
      ]} /></Wide>
      {open && <Guard key={open} name={`the queue ${open}`}><QueueForm id={open} onClose={() => { setOpen(undefined); again() }} /></Guard>}
    </>
  )
}

/** All settings of a queue. PUT replaces, so all are sent. */
function QueueForm({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  const refused = useRefusal()
  const [queue] = useAnswer<Queue>(`/queues/${encoded(id)}`)
  const save = ({ hours, ...rest }: Omit<Queue, 'hours'> & { hours: string }) => {
    const parsed = hours.trim() ? parseJSON(hours) : null
    if (parsed === undefined) return void message.error(t('sup.set.hours.wrong'))
    client.request(`/queues/${encoded(id)}`, { method: 'PUT', json: { ...rest, hours: parsed } })
      .then(() => { void message.success(t('sup.saved')); void queueNamesOf(client).refresh(); onClose() }).catch(refused)
  }
  return (
    <Modal open title={<bdi>{id}</bdi>} footer={null} onCancel={onClose} width={640}>
      {queue && (
        <Form layout="vertical" initialValues={{ ...queue, hours: queue.hours ? toJSON(queue.hours, 1) : '' }} onFinish={save}>
          <Form.Item name="name" label={t('sup.set.name')}><Input maxLength={64} /></Form.Item>
          <Form.Item name="routing" label={t('sup.set.routing')} help={t('sup.set.routing.help')}><Select options={(['grab', 'auto'] as const).map((value) => ({ value, label: t(`sup.routing.${value}`) }))} /></Form.Item>
          <div className="sup-grid">
            {times.map((k) => <Form.Item key={k} name={k} label={`${t(`sup.set.${k}`)} (${t('sup.seconds')})`}><InputNumber min={0} precision={0} /></Form.Item>)}
            <Form.Item name="priority" label={t('sup.set.priority')}><InputNumber min={0} max={9} precision={0} /></Form.Item>
            <Form.Item name="bot" label={t('sup.set.bot')}><Input maxLength={64} /></Form.Item>
          </div>
          <Form.Item name="greeting" label={t('sup.set.greeting')}><Input.TextArea autoSize maxLength={340} /></Form.Item>
          <Form.Item name="offline" label={t('sup.set.offline')}><Input.TextArea autoSize maxLength={340} /></Form.Item>
          <Form.Item name="hours" label={t('sup.set.hours')} extra={<code>{'{"timeZone":"Asia/Shanghai","weekly":{"mon":["09:00-18:00"]},"exceptions":{"2026-12-25":[]}}'}</code>}><Input.TextArea autoSize={{ minRows: 2, maxRows: 10 }} spellCheck={false} /></Form.Item>
          <Button type="primary" htmlType="submit">{t('sup.save')}</Button>
        </Form>
      )}
    </Modal>
  )
}

function Agents() {
  const t = useT()
  const [answer, again] = useAnswer<{ agents: Agent[] }>('/agents')
  const [open, setOpen] = useState<Agent>()
  return (
    <>
      <Wide label={t('sup.agents')}><Table size="small" components={guarded} rowKey="id" loading={!answer} pagination={{ pageSize: 30, hideOnSinglePage: true }} dataSource={agentsOf(answer?.agents)} columns={[
        { title: t('sup.agent'), dataIndex: 'name', render: (n: string, a) => <Button type="link" size="small" onClick={() => setOpen(a)}><bdi>{n || a.id}</bdi></Button> },
        { title: t('desk.queues'), dataIndex: 'queues', render: (q: string[]) => <QueueList of={q} /> },
        { title: t('sup.capacity'), dataIndex: 'capacity', align: 'right' },
        { title: t('sup.status'), dataIndex: 'status', render: (s: Agent['status'], a) => (a.disabled ? t('sup.disabled') : t(`desk.status.${s}`)) },
      ]} /></Wide>
      {open && <Guard of={open} name={`the agent ${open.id}`}><AgentForm agent={open} onClose={() => { setOpen(undefined); again() }} /></Guard>}
    </>
  )
}

function AgentForm({ agent, onClose }: { agent: Agent; onClose: () => void }) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  const refused = useRefusal()
  const save = (v: Pick<Agent, 'queues' | 'capacity' | 'disabled'>) =>
    void client.request(`/agents/${encoded(agent.id)}`, { method: 'PUT', json: v }).then(() => { void message.success(t('sup.saved')); onClose() }).catch(refused)
  return (
    <Modal open title={<bdi>{agent.name || agent.id}</bdi>} footer={null} onCancel={onClose}>
      <Form layout="vertical" initialValues={agent} onFinish={save}>
        <Form.Item name="queues" label={t('desk.queues')}><Select mode="tags" tokenSeparators={[',', ' ']} /></Form.Item>
        <Form.Item name="capacity" label={t('sup.capacity')}><InputNumber min={0} max={10_000} precision={0} /></Form.Item>
        <Form.Item name="disabled" label={t('sup.disabled')} valuePropName="checked"><Switch /></Form.Item>
        <Button type="primary" htmlType="submit">{t('sup.save')}</Button>
      </Form>
    </Modal>
  )
}
