import { App, Button, Input } from 'antd'
import type { BellhopError, Session } from 'bellhop-client'
import { useEffect, useState } from 'react'
import { Face } from '../conversation/Face'
import { errorText } from '../conversation/errorText'
import { Icon } from '../lib/icons'
import { Guard } from '../lib/Guard'
import { useLocale } from '../lib/i18n'
import { QueueName } from '../lib/queueNames'
import { encoded, fields, rows, stars, text, toJSON } from '../lib/safe'
import { chatTime, fullTime } from '../lib/time'
import { useClient, useClientState } from '../lib/useClient'
import { stateText } from './sessions'

interface Card {
  blocked: boolean
  reason?: string
  sessions: Session[]
}

/** Who the user is: what it wants, what the host application knows, its earlier sessions. */
export function UserCard({ session, onShow, onClose }: { session: Session; onShow: (s: Session) => void; onClose: () => void }) {
  const { t, language } = useLocale()
  const client = useClient()
  const { user } = session
  const [card, setCard] = useState<Card>()
  useEffect(() => {
    let here = true
    client.request<Card>(`/users/${encoded(user.id)}`).then((c) => here && setCard(c)).catch(() => {}) // the rest of it shows
    return () => {
      here = false
    }
  }, [client, user.id])
  const meta = Object.entries(fields(session.meta))
  return (
    <aside className="desk-card" aria-label={t('desk.card')}>
      <header>
        <Face name={user.name || user.id} src={user.avatar} />
        <div><b dir="auto">{user.name || user.id}</b><small><bdi>{user.id}</bdi></small></div>
        <button type="button" className="bh-icon" aria-label={t('close')} onClick={onClose}><Icon name="close" size={18} /></button>
      </header>
      <dl>
        <dt>{t('desk.card.subject')}</dt><dd dir="auto">{session.subject || '—'}</dd>
        <dt>{t('desk.card.since')}</dt><dd>{fullTime(session.created, language)}</dd>
        {meta.map(([k, v]) => [<dt key={`${k}.`}>{k}</dt>, <dd key={k} dir="auto"><Guard of={v} name={`the field ${k}`}><Value of={v} /></Guard></dd>])}
      </dl>
      <Block id={user.id} blocked={card && Boolean(card.blocked)} reason={text(card?.reason)} onChange={(blocked) => card && setCard({ ...card, blocked })} />
      <h3>{t('chat.earlier')}</h3>
      <ul>
        {rows(card?.sessions).filter((s) => s.id !== session.id).map((s) => (
          <li key={s.id}>
            <Guard of={s} name={`session ${s.id}`}>
              <button type="button" onClick={() => onShow(s)}>
                <span dir="auto">{s.subject || <QueueName id={s.queue} />}</span>
                <small>{chatTime(s.created, language)} · {s.agent?.name ?? stateText(s.state, t)}{s.rating && ` · ${stars(s.rating.score)}`}</small>
              </button>
            </Guard>
          </li>
        ))}
      </ul>
    </aside>
  )
}

const Value = ({ of }: { of: unknown }) => <>{typeof of === 'string' ? of : toJSON(of)}</>

/** Supervisors keep somebody out, and let it in again. */
function Block({ id, blocked, reason, onChange }: { id: string; blocked?: boolean; reason?: string; onChange: (blocked: boolean) => void }) {
  const { t } = useLocale()
  const client = useClient()
  const { message } = App.useApp()
  const boss = useClientState((s) => s.me?.role === 'supervisor')
  const [asking, setAsking] = useState(false)
  const [why, setWhy] = useState('')
  if (!boss || blocked === undefined) return blocked ? <p className="desk-blocked">{t('desk.blocked')}</p> : null
  const set = (to: boolean) =>
    client.request(`/users/${encoded(id)}`, { method: 'PUT', json: { blocked: to, reason: to ? why : '' } })
      .then(() => { onChange(to); setAsking(false) }).catch((e: BellhopError) => void message.error(errorText(e.code, t)))
  return (
    <div className="desk-block">
      {blocked && <p className="desk-blocked">{t('desk.blocked')}{reason && `: ${reason}`}</p>}
      {asking && <Input autoFocus value={why} maxLength={300} placeholder={t('desk.block.why')} aria-label={t('desk.block.why')} onChange={(e) => setWhy(e.target.value)} />}
      <Button size="small" danger={!blocked} onClick={() => (blocked ? void set(false) : asking ? void set(true) : setAsking(true))}>{t(blocked ? 'desk.unblock' : 'desk.block')}</Button>
    </div>
  )
}
