import { Badge } from 'antd'
import { logOf, type Session } from 'bellhop-client'
import { useEffect, useMemo } from 'react'
import { Face } from '../conversation/Face'
import { summary } from '../conversation/Row'
import { Guard } from '../lib/Guard'
import { useLocale } from '../lib/i18n'
import { chatTime } from '../lib/time'
import { useClient, useClientState } from '../lib/useClient'
import { mine, stateText } from './sessions'

/** One's own sessions, as in WeChat: who, what was last said, when, and a red badge. */
export function Sessions({ picked, onPick }: { picked?: string; onPick: (s: Session) => void }) {
  const { t } = useLocale()
  const client = useClient()
  const sessions = useClientState((s) => s.sessions)
  const logs = useClientState((s) => s.logs)
  const me = useClientState((s) => s.me)
  // eslint-disable-next-line react-hooks/exhaustive-deps -- these are what the order is made of
  const list = useMemo(() => mine(client.state), [client, sessions, logs, me])
  return (
    <section className="desk-list" aria-label={t('desk.view.sessions')}>
      <header><h2>{t('desk.view.sessions')}</h2></header>
      {list.length === 0 && <p className="desk-empty">{t('desk.sessions.empty')}</p>}
      <ul className="desk-scroll desk-sessions">
        {list.map((s) => <Guard key={s.id} of={s} name={`session ${s.id}`} within={(line) => <li>{line}</li>}><Line session={s} picked={s.id === picked} onPick={onPick} /></Guard>)}
      </ul>
    </section>
  )
}

function Line({ session: s, picked, onPick }: { session: Session; picked: boolean; onPick: (s: Session) => void }) {
  const { t, language } = useLocale()
  const client = useClient()
  const last = useClientState((st) => logOf(st, s.id).messages.findLast((m) => m.type !== 'system'))
  const online = useClientState((st) => st.status === 'online')
  useEffect(() => {
    if (online) client.load(s.id).catch(() => {}) // the line shows without its last message
  }, [client, online, s.id])
  const name = s.user.name || s.user.id
  return (
    <li>
      <button type="button" className="desk-line" aria-current={picked} data-ended={s.state === 'ended'} onClick={() => onPick(s)}>
        <Badge count={s.unread} size="small" title={t('desk.unread', { n: s.unread })}><Face name={name} src={s.user.avatar} /></Badge>
        <span>
          <b dir="auto">{name}</b>
          <span dir="auto">{last ? summary(last, t) : s.subject}</span>
        </span>
        <small>
          <time dateTime={last?.at ?? s.created}>{chatTime(last?.at ?? s.created, language)}</time>
          {s.state !== 'serving' && <em>{stateText(s.state, t)}</em>}
        </small>
      </button>
    </li>
  )
}
