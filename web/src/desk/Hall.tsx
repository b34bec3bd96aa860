import { App, Button, Select, Tag } from 'antd'
import type { BellhopError, Session } from 'bellhop-client'
import { memo, useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { VList, type VListHandle } from 'virtua'
import { Face } from '../conversation/Face'
import { errorText } from '../conversation/errorText'
import { Guard } from '../lib/Guard'
import { useT } from '../lib/i18n'
import { QueueName } from '../lib/queueNames'
import { count, texts, timeOf } from '../lib/safe'
import { useServerNow } from '../lib/serverTime'
import { clock } from '../lib/time'
import { useClient, useClientState } from '../lib/useClient'

/** What waits in the queues one may grab from, in the order of its place in line. */
export function Hall({ onGrabbed, onShow }: { onGrabbed: (s: Session) => void; onShow: (s: Session) => void }) {
  const t = useT()
  const queues = useClientState((s) => s.queues)
  const [queue, setQueue] = useState('')
  const [at, setAt] = useState(0)
  const [taking, setTaking] = useState<string>()
  const list = useRef<VListHandle>(null)
  // Whoever comes here means its keys for here, not for the chat it comes from.
  const root = useRef<HTMLElement>(null)
  useEffect(() => root.current?.focus({ preventScroll: true }), [])
  const grab = useGrab(setTaking, onGrabbed)
  const now = useServerNow()

  const waiting = useMemo(() => inLine(Object.values(queues).filter((q) => !queue || q.queue === queue).flatMap((q) => q.waiting)), [queues, queue])
  const size = Object.values(queues).reduce((n, q) => n + (!queue || q.queue === queue ? (count(q.size) ?? 0) : 0), 0)
  const cursor = Math.min(at, Math.max(0, waiting.length - 1))

  const key = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[e.key]
    if (step) {
      const next = Math.max(0, Math.min(waiting.length - 1, cursor + step))
      setAt(next)
      list.current?.scrollToIndex(next, { align: 'nearest' })
    } else if (e.key === 'Enter' && e.target === e.currentTarget) {
      if (waiting[cursor]) onShow(waiting[cursor])
    } else return
    e.preventDefault()
  }
  // G takes the one that is marked, wherever the focus is but in a field.
  useEffect(() => {
    const press = (e: globalThis.KeyboardEvent) => {
      if (e.key.toLowerCase() !== 'g' || e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).closest('input, textarea, [contenteditable], .ant-modal')) return
      const s = waiting[cursor]
      if (s) void grab(s.id)
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [waiting, cursor, grab])

  return (
    <section ref={root} tabIndex={-1} className="desk-list" aria-label={t('desk.view.hall')}>
      <header>
        <h2>{t('desk.view.hall')} <small>{t('desk.hall.size', { n: size })}</small></h2>
        <Select size="small" value={queue} aria-label={t('desk.queue')} popupMatchSelectWidth={false} onChange={setQueue}
          options={[{ value: '', label: t('desk.queue.all') }, ...Object.values(queues).map((q) => ({ value: q.queue, label: <><bdi><QueueName id={q.queue} /></bdi> ({q.size})</> }))]} />
      </header>
      {waiting.length === 0 ? (
        <div className="desk-empty">{size === 0 && <><p>{t('desk.hall.empty')}</p><small>{t('desk.hall.empty.next')}</small></>}</div>
      ) : (
        <div className="desk-scroll" role="grid" tabIndex={0} aria-label={t('desk.view.hall')} aria-activedescendant={`order-${waiting[cursor]?.id}`} onKeyDown={key}>
          <VList ref={list}>
            {waiting.map((s, i) => (
              <Guard key={s.id} of={s} name={`session ${s.id}`} within={(line) => <div role="row"><span role="gridcell">{line}</span></div>}>
                <Order session={s} age={now - (timeOf(s.created) ?? now)} marked={i === cursor} busy={taking === s.id} onMark={() => setAt(i)} onGrab={grab} onShow={onShow} />
              </Guard>
            ))}
          </VList>
        </div>
      )}
      {size > waiting.length && <p className="desk-rest" role="status">{t('desk.hall.rest', { n: size - waiting.length })}</p>}
      <footer>{t('desk.hall.keys')}</footer>
    </section>
  )
}

/** A level of priority is worth ten minutes of waiting. */
const inLine = (all: Session[]) => all.map((s) => ({ s, place: (timeOf(s.created) ?? 0) - s.priority * 600_000 })).sort((a, b) => a.place - b.place).map(({ s }) => s)

function useGrab(setTaking: (id?: string) => void, onGrabbed: (s: Session) => void) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  return useCallback(
    async (id: string) => {
      setTaking(id)
      try {
        onGrabbed(await client.grab(id))
      } catch (e) {
        const { code, by, load, capacity } = e as BellhopError
        const who = by && (client.state.me?.id === by ? t('desk.you') : by)
        void message.warning(code === 'taken' && who ? t('desk.grab.taken', { name: String(who) }) : code === 'full' ? t('desk.grab.full', { load: load ?? 0, capacity: capacity ?? 0 }) : errorText(code, t))
      }
      setTaking(undefined)
    },
    [client, message, onGrabbed, setTaking, t],
  )
}

interface OrderProps {
  session: Session
  /** Milliseconds. */
  age: number
  marked: boolean
  busy: boolean
  onMark: () => void
  onGrab: (id: string) => Promise<void>
  onShow: (s: Session) => void
}

const Order = memo(function Order({ session: s, age, marked, busy, onMark, onGrab, onShow }: OrderProps) {
  const t = useT()
  return (
    <div id={`order-${s.id}`} role="row" aria-selected={marked} className="desk-order" onClick={onMark} onDoubleClick={() => onShow(s)}>
      <Face name={s.user.name || s.user.id} src={s.user.avatar} />
      <div role="gridcell">
        <b dir="auto">{s.user.name || s.user.id}</b>
        <p dir="auto">{s.subject || '—'}</p>
        <small>
          {s.priority > 0 && <Tag color="volcano">{t('desk.priority', { n: s.priority })}</Tag>}
          {s.target && <Tag color="blue">{t('desk.offered-to', { name: s.target.name || s.target.id })}</Tag>}
          {texts(s.labels).map((l) => <Tag key={l}>{l}</Tag>)}
          <bdi><QueueName id={s.queue} /></bdi> · <span className={age > 120_000 ? 'late' : ''}>{clock(age / 1000)}</span>
        </small>
      </div>
      <span role="gridcell"><Button type="primary" tabIndex={marked ? 0 : -1} loading={busy} onClick={() => void onGrab(s.id)}>{t('desk.grab')}</Button></span>
    </div>
  )
})
