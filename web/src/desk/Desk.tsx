import type { Session } from 'bellhop-client'
import { lazy, Suspense, useCallback, useEffect, useState, type ReactNode } from 'react'
import { Guard } from '../lib/Guard'
import { useT } from '../lib/i18n'
import { LinkNotice } from '../lib/LinkNotice'
import { rows, texts } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { Chat } from './Chat'
import { Hall } from './Hall'
import { useAlerts } from './alerts'
import { useLosses } from './losses'
import { Nothing } from './Nothing'
import { Offers } from './Offers'
import { Rail, viewsOf, type View } from './Rail'
import { Sessions } from './Sessions'
import { mine } from './sessions'

/** A pane that cannot be shown keeps its place. */
const pane = (line: ReactNode) => <section className="desk-nothing">{line}</section>

const Supervisor = lazy(() => import('./supervisor'))

/** The workbench: a rail, a list, and what is picked from it. On a phone one of them at a time. */
export function Desk({ onSignOut }: { onSignOut: () => void }) {
  const t = useT()
  const client = useClient()
  const boss = useClientState((s) => s.me?.role === 'supervisor')
  const [view, setView] = useState<View>('hall')
  const [picked, setPicked] = useState<string>()
  const session = useClientState((s) => (picked ? s.sessions[picked] : undefined))

  const show = useCallback(
    (s: Session) => {
      client.keep(s)
      setPicked(s.id)
    },
    [client],
  )
  const grabbed = useCallback(
    (s: Session) => {
      show(s)
      setView('sessions')
    },
    [show],
  )
  const look = useCallback((id: string) => {
    setPicked(id)
    setView('sessions')
  }, [])
  useAlerts(picked, look)
  useLosses(picked, look)

  // A supervisor sees all queues that somebody has set up, and its own.
  useEffect(() => {
    if (!boss) return
    client.request<{ queues: { id: string }[] }>('/queues')
      .then((r) => client.watch([...new Set([...(client.state.me?.queues ?? []), ...texts(rows(r.queues).map((q) => q.id))])]))
      .catch(() => {}) // its own are watched all the same
  }, [client, boss])

  // Alt+1 … Alt+7 pick a view, Alt+up and Alt+down a session.
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (!e.altKey || e.ctrlKey || e.metaKey) return
      const n = Number(e.code.replace('Digit', ''))
      const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
      const picked = viewsOf(client.state.me?.role)[n - 1]
      if (picked) setView(picked)
      else if (step) {
        const all = mine(client.state).map((s) => s.id)
        setPicked((id) => all[(all.indexOf(id ?? '') + step + all.length) % all.length])
        setView('sessions')
      } else return
      e.preventDefault()
    }
    document.addEventListener('keydown', key)
    return () => document.removeEventListener('keydown', key)
  }, [client])

  return (
    <div className="desk" data-picked={Boolean(session)}>
      <Guard name="the rail"><Rail view={view} onView={(v) => { setView(v); setPicked(undefined) }} onSignOut={onSignOut} /></Guard>
      <div className="desk-body">
        <LinkNotice />
        <div className="desk-columns">
          {view === 'hall' && <Guard of={view} name="the hall" within={pane}><Hall onGrabbed={grabbed} onShow={show} /></Guard>}
          {view === 'sessions' && <Guard of={view} name="one's sessions" within={pane}><Sessions picked={picked} onPick={show} /></Guard>}
          {view !== 'hall' && view !== 'sessions' && (
            <section className="desk-wide" aria-label={t(`desk.view.${view}`)}>
              <Suspense fallback={<span className="bh-spinner" />}>
                <Guard of={view} name={`the view ${view}`}><Supervisor view={view} onRead={show} /></Guard>
              </Suspense>
            </section>
          )}
          {session ? <Guard key={session.id} of={session} name={`session ${session.id}`} within={pane}><Chat session={session} onClose={() => setPicked(undefined)} onShow={show} /></Guard> : (view === 'hall' || view === 'sessions') && <Nothing view={view} />}
        </div>
      </div>
      <Guard name="the offers"><Offers onAccepted={grabbed} /></Guard>
    </div>
  )
}
