import { App, Button, Input } from 'antd'
import type { BellhopError, Offer, Session } from 'bellhop-client'
import { useState } from 'react'
import { errorText } from '../conversation/errorText'
import { Guard } from '../lib/Guard'
import { useT } from '../lib/i18n'
import { QueueName } from '../lib/queueNames'
import { text, timeOf } from '../lib/safe'
import { useServerNow } from '../lib/serverTime'
import { useClient, useClientState } from '../lib/useClient'

/** Sessions that others want to hand over to one: to accept or to decline, before their time is up. */
export function Offers({ onAccepted }: { onAccepted: (s: Session) => void }) {
  const t = useT()
  const offers = useClientState((s) => s.offers)
  if (!offers.length) return null
  return (
    <div className="desk-offers" role="region" aria-label={t('desk.offer.title')}>
      {offers.map((o) => <Guard key={o.session.id} of={o} name={`the offer of ${o.session.id}`}><Card offer={o} onAccepted={onAccepted} /></Guard>)}
    </div>
  )
}

function Card({ offer, onAccepted }: { offer: Offer; onAccepted: (s: Session) => void }) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  const { session } = offer
  const [from, note, expires] = [text(offer.from), text(offer.note), timeOf(offer.expires)]
  const now = useServerNow(500)
  const left = expires === undefined ? undefined : Math.max(0, Math.round((expires - now) / 1000))
  const [reason, setReason] = useState<string>()
  const refused = (e: BellhopError) => void message.error(errorText(e.code, t))
  return (
    <article role="alertdialog" aria-label={t('desk.offer.title')}>
      <b>{t('desk.offer.title')}{left !== undefined && <span className="desk-countdown">{left}</span>}</b>
      <p dir="auto">{session.user.name || session.user.id}{session.subject && ` · ${session.subject}`}</p>
      <small>{from ? t('desk.offer.from', { name: from }) : t('desk.offer.again')} · <bdi><QueueName id={session.queue} /></bdi></small>
      {note && <q dir="auto">{note}</q>}
      {reason !== undefined && <Input value={reason} autoFocus maxLength={300} aria-label={t('desk.offer.reason')} placeholder={t('desk.offer.reason')} onChange={(e) => setReason(e.target.value)} onPressEnter={() => void client.decline(session.id, reason).catch(refused)} />}
      <div>
        <Button type="primary" autoFocus onClick={() => void client.accept(session.id).then(onAccepted).catch(refused)}>{t('desk.offer.accept')}</Button>
        <Button onClick={() => (reason === undefined ? setReason('') : void client.decline(session.id, reason).catch(refused))}>{t('desk.offer.decline')}</Button>
      </div>
    </article>
  )
}
