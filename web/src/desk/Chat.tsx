import { App, Button, Dropdown, Tag } from 'antd'
import type { BellhopError, Session } from 'bellhop-client'
import { useEffect, useState, type ReactNode } from 'react'
import { Conversation } from '../conversation/Conversation'
import { useNote } from '../conversation/drafts'
import { errorText } from '../conversation/errorText'
import { Guard } from '../lib/Guard'
import { Icon } from '../lib/icons'
import { useT, type T } from '../lib/i18n'
import { QueueName } from '../lib/queueNames'
import { stars, text } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { useCanned } from './Canned'
import { Labels } from './Labels'
import { serves, stateText } from './sessions'
import { Transfer } from './Transfer'
import { UserCard } from './UserCard'

interface Props {
  session: Session
  onClose: () => void
  onShow: (s: Session) => void
}

/** One session: its head, the conversation, and who the user is. */
export function Chat({ session, onClose, onShow }: Props) {
  const t = useT()
  const me = useClientState((s) => s.me)
  const [note, setNote] = useNote(session.id)
  const [card, setCard] = useState(innerWidth > 1180)
  const [handing, setHanding] = useState(false)
  const act = useAct()
  const canned = useCanned(session)
  const { state } = session
  const own = session.agent?.id === me?.id
  const part = serves(session, me?.id ?? '')
  const unseen = useSilentWatch(session, me?.role === 'supervisor' && !part)
  const name = session.user.name || session.user.id

  return (
    <section className="desk-chat" aria-label={t('desk.chat.with', { name })}>
      <header>
        <button type="button" className="bh-icon desk-back" aria-label={t('desk.back')} onClick={onClose}><Icon name="back" /></button>
        <div>
          <h2 dir="auto">{name}</h2>
          <small><bdi><QueueName id={session.queue} /></bdi> · {stateText(state, t)}{session.agent && !own && <> · <bdi>{session.agent.name || session.agent.id}</bdi></>} <Guard of={session} name={`the labels of ${session.id}`}><Labels session={session} /></Guard></small>
        </div>
        <Guard of={session} name={`what to do with ${session.id}`}><Actions session={session} own={own} part={part} boss={me?.role === 'supervisor'} act={act} onTransfer={() => setHanding(true)} onGrabbed={onShow} /></Guard>
        <button type="button" className="bh-icon" aria-pressed={card} aria-label={t('desk.card')} title={t('desk.card')} onClick={() => setCard(!card)}><Icon name="person" /></button>
      </header>
      <div className="desk-chat-body">
        <Guard of={session} name={`session ${session.id}`}><Conversation session={session} staff unseen={unseen || !part} note={note || !part} onKey={canned.onKey} above={canned.above}
          placeholder={note ? t('desk.note.hint') : t('desk.write.hint')}
          closed={closedBy(session, part, unseen, t)}
          tools={<button type="button" className="bh-icon" aria-pressed={note} aria-label={t('desk.note')} title={t('desk.note')} onClick={() => setNote(!note)}><Icon name="note" filled={note} /></button>} /></Guard>
        {card && <Guard of={session} name={`the user of ${session.id}`} within={(line) => <aside className="desk-card">{line}</aside>}><UserCard session={session} onShow={onShow} onClose={() => setCard(false)} /></Guard>}
      </div>
      {unseen && <Whisper session={session} />}
      {handing && <Guard of={session} name="to whom one may transfer"><Transfer session={session} onClose={() => setHanding(false)} onDone={(to) => act(to)} /></Guard>}
    </section>
  )
}

/** Why one cannot write. */
function closedBy(s: Session, part: boolean, watches: boolean, t: T): ReactNode {
  if (s.state === 'ended') return <p className="desk-closed">{t('system.ended')}{s.rating && <> · {stars(s.rating.score)} <q dir="auto">{text(s.rating.comment)}</q></>}</p>
  if (part) return undefined
  return <p className="desk-closed">{t(watches ? 'desk.watching' : s.state === 'waiting' ? 'desk.waiting-still' : 'desk.not-yours')}</p>
}

/** A supervisor who looks at others' session hears it live, unseen, until it looks away. */
function useSilentWatch({ id, state }: Session, may: boolean) {
  const client = useClient()
  const watches = may && state !== 'ended' && state !== 'waiting'
  useEffect(() => {
    if (!watches) return
    client.join(id, true).catch(() => {}) // it shows what it may read all the same
    return () => void client.leave(id).catch(() => {})
  }, [client, id, watches])
  return watches
}

/** Says why something was refused. */
function useAct() {
  const t = useT()
  const { message } = App.useApp()
  return (what: Promise<unknown>) => void what.catch((e: BellhopError) => void message.error(errorText(e.code, t)))
}

interface ActionsProps {
  session: Session
  own: boolean
  part: boolean
  boss: boolean
  act: (what: Promise<unknown>) => void
  onTransfer: () => void
  onGrabbed: (s: Session) => void
}

/** What one may do with a session in its state. */
function Actions({ session, own, part, boss, act, onTransfer, onGrabbed }: ActionsProps) {
  const t = useT()
  const client = useClient()
  const { modal } = App.useApp()
  const { id, state } = session
  if (state === 'ended') return null
  const end = () =>
    modal.confirm({
      title: t('desk.end.sure'), content: own ? t('desk.end.asks') : undefined, okText: t(own ? 'desk.end.ask' : 'desk.end'), cancelText: t('cancel'), autoFocusButton: 'ok',
      onOk: () => act(client.end(id)),
    })
  const more = [
    part && !own && { key: 'leave', label: t('desk.leave'), onClick: () => act(client.leave(id)) },
    !part && state !== 'waiting' && { key: 'join', label: t('desk.join'), onClick: () => act(client.join(id)) },
    boss && !own && { key: 'take', label: t('desk.take-over'), onClick: () => act(client.takeOver(id).then(onGrabbed)) },
    (own || boss) && { key: 'force', danger: true, label: t('desk.end.now'), onClick: () => act(client.end(id, { force: true })) },
  ].filter((x) => x !== false)
  return (
    <div className="desk-actions">
      {state === 'waiting' && <Button type="primary" onClick={() => act(client.grab(id).then(onGrabbed))}>{t('desk.grab')}</Button>}
      {session.target && (own || boss) ? (
        <Tag color="blue">{t('desk.offered-to', { name: session.target.name || session.target.id })} <Button size="small" type="link" onClick={() => act(client.cancel(id))}>{t('desk.offer.cancel')}</Button></Tag>
      ) : (
        (own || boss) && <Button onClick={onTransfer}>{t('desk.transfer')}</Button>
      )}
      {own && state !== 'ending' && <Button danger onClick={end}>{t('desk.end')}</Button>}
      {more.length > 0 && (
        <Dropdown trigger={['click']} menu={{ items: more }}>
          <button type="button" className="bh-icon" aria-label={t('desk.more')}><Icon name="more" /></button>
        </Dropdown>
      )}
    </div>
  )
}

/** A supervisor's note to those who serve a session that it watches unseen. */
function Whisper({ session }: { session: Session }) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  const [words, setText] = useState('')
  const send = () =>
    client.whisper(session.id, words.trim()).then(() => setText('')).catch((e: BellhopError) => void message.error(errorText(e.code, t)))
  return (
    <form className="desk-whisper" onSubmit={(e) => { e.preventDefault(); if (words.trim()) void send() }}>
      <input value={words} dir="auto" aria-label={t('desk.whisper')} placeholder={t('desk.whisper')} onChange={(e) => setText(e.target.value)} />
      <Button htmlType="submit" disabled={!words.trim()}>{t('send')}</Button>
    </form>
  )
}
