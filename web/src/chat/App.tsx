import { BellhopError, type Session } from 'bellhop-client'
import { useEffect, useMemo, useState } from 'react'
import { Conversation } from '../conversation/Conversation'
import { errorText } from '../conversation/errorText'
import { Icon } from '../lib/icons'
import { Guard } from '../lib/Guard'
import { useLocale, useT } from '../lib/i18n'
import { count } from '../lib/safe'
import { LinkNotice } from '../lib/LinkNotice'
import { toggleTheme } from '../lib/theme'
import { useClient, useClientState } from '../lib/useClient'
import { After } from './After'
import { embed } from './embed'
import { Start } from './Start'

interface Props {
  queue?: string
  subject: string
  meta?: object
}

/** The user's page: one conversation at a time, the open one first. */
export function App({ queue, subject, meta }: Props) {
  const t = useT()
  const client = useClient()
  const sessions = useClientState((s) => s.sessions)
  const me = useClientState((s) => s.me)
  const unread = useClientState((s) => s.unread)
  const [picked, setPicked] = useState<string | null>()
  const [error, setError] = useState('')
  const current = useMemo(() => pick(sessions, queue, picked), [sessions, queue, picked])

  useEffect(() => {
    document.title = unread ? `(${unread}) ${t('chat.title')}` : t('chat.title')
  }, [unread, t])

  const run = (what: Promise<Session>) => {
    setError('')
    what.then((s) => setPicked(s.id)).catch((e: unknown) => setError(errorText(e instanceof BellhopError ? e.code : '', t)))
  }
  return (
    <main className="chat">
      <Guard of={current} name="the head"><Header key={`${current?.id} ${current?.state === 'ended'}`} session={current} onEnd={() => current && run(client.end(current.id))} /></Guard>
      <LinkNotice />
      {error && <div className="bh-error" role="alert">{error}</div>}
      {!me ? (
        <div className="bh-list bh-loading"><span className="bh-spinner" role="status" aria-label={t('loading')} /></div>
      ) : current ? (
        <>
          <Guard of={current} name="the place in line"><Waiting session={current} /></Guard>
          <Guard key={current.id} of={current} name={`session ${current.id}`}><Conversation session={current} staff={false}
            closed={current.state === 'ended' ? <After session={current} onReopen={() => run(client.reopen(current.id))} onNew={() => setPicked(null)} /> : undefined}
            above={current.state === 'ending' ? () => <Solved session={current} onEnd={() => run(client.end(current.id))} /> : undefined} /></Guard>
        </>
      ) : (
        <Guard name="the start"><Start subject={subject} onOpen={(about) => run(client.open({ queue, subject: about, meta }))} onPick={(s) => { client.keep(s); setPicked(s.id) }} /></Guard>
      )}
    </main>
  )
}

/** The session one picked, or the open one (of the page's queue, if it has one), or the one that ended last; none after `null`. */
function pick(all: Record<string, Session>, queue: string | undefined, picked: string | null | undefined) {
  const list = Object.values(all).sort((a, b) => b.created.localeCompare(a.created))
  const open = list.find((s) => s.state !== 'ended' && (!queue || s.queue === queue)) ?? list.find((s) => s.state !== 'ended')
  if (picked && all[picked]) return all[picked]
  return open ?? (picked === null ? undefined : list[0])
}

function Header({ session, onEnd }: { session?: Session; onEnd: () => void }) {
  const { t, language, setLanguage } = useLocale()
  const [sure, setSure] = useState(false)
  const open = session && session.state !== 'ended'
  return (
    <header className="chat-head">
      <h1>{(open && session.agent?.name) || t('chat.title')}</h1>
      <div className="chat-tools">
        {sure ? (
          <span role="alertdialog" aria-label={t('chat.end.sure')}>
            {t('chat.end.sure')}
            <button type="button" className="bh-button danger" onClick={() => { setSure(false); onEnd() }}>{t('chat.end')}</button>
            <button type="button" className="bh-button" autoFocus onClick={() => setSure(false)}>{t('cancel')}</button>
          </span>
        ) : (
          open && <button type="button" className="bh-button" onClick={() => setSure(true)}>{t('chat.end')}</button>
        )}
        <button type="button" className="bh-icon" aria-label={t('theme')} onClick={toggleTheme}><Icon name="moon" size={20} /></button>
        <button type="button" className="bh-icon" lang={language === 'zh' ? 'en' : 'zh'} aria-label={t('language')} title={t('language')} onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}><Icon name="globe" size={20} /></button>
        {embed.active && <button type="button" className="bh-icon" aria-label={t('close')} onClick={embed.close}><Icon name="close" size={20} /></button>}
      </div>
    </header>
  )
}

/** The place in line and what is known of the wait. */
function Waiting({ session }: { session: Session }) {
  const t = useT()
  const p = useClientState((s) => s.positions[session.id])
  if (session.state !== 'waiting') return null
  const minutes = Math.round((count(p?.wait) ?? 0) / 60)
  return (
    <div className="chat-wait" role="status">
      <span className="bh-spinner" />
      {count(p?.position) ? t('chat.waiting', { position: count(p?.position)! }) : t('chat.waiting.soon')}
      {p?.estimated && <small>{minutes ? t('chat.wait.about', { minutes }) : t('chat.wait.short')}</small>}
    </div>
  )
}

/** The agent asks whether it is over. */
function Solved({ session, onEnd }: { session: Session; onEnd: () => void }) {
  const t = useT()
  const client = useClient()
  return (
    <div className="chat-solved" role="group" aria-label={t('system.ending')}>
      <span>{t('system.ending')}</span>
      <button type="button" className="bh-button primary" onClick={onEnd}>{t('chat.solved')}</button>
      <button type="button" className="bh-button" onClick={() => void client.send(session.id, t('chat.not-solved'))}>{t('chat.not-solved')}</button>
    </div>
  )
}

export function NoAccess() {
  const t = useT()
  return (
    <main className="chat-empty">
      <h1>{t('chat.no-access')}</h1>
      <p>{t('chat.no-access.how')}</p>
    </main>
  )
}
