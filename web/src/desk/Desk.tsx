import type { Session } from 'bellhop-client'
import { lazy, Suspense, useCallback, useEffect, useState } from 'react'
import { useT } from '../lib/i18n'
import { LinkNotice } from '../lib/LinkNotice'
import { useClient, useClientState } from '../lib/useClient'
import { Chat } from './Chat'
import { Hall } from './Hall'
import { useAlerts } from './alerts'
import { Offers } from './Offers'
import { Rail, viewsOf, type View } from './Rail'
import { Sessions } from './Sessions'
import { mine } from './sessions'

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
  useAlerts(picked, useCallback((id: string) => { setPicked(id); setView('sessions') }, []))

  // A supervisor sees all queues that somebody has set up, and its own.
  useEffect(() => {
    if (!boss) return
    client.request<{ queues: { id: string }[] }>('/queues')
      .then((r) => client.watch([...new Set([...(client.state.me?.queues ?? []), ...r.queues.map((q) => q.id)])]))
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
      <Rail view={view} onView={(v) => { setView(v); setPicked(undefined) }} onSignOut={onSignOut} />
      <div className="desk-body">
        <LinkNotice />
        <div className="desk-columns">
          {view === 'hall' && <Hall onGrabbed={grabbed} onShow={show} />}
          {view === 'sessions' && <Sessions picked={picked} onPick={show} />}
          {view !== 'hall' && view !== 'sessions' && (
            <section className="desk-wide" aria-label={t(`desk.view.${view}`)}>
              <Suspense fallback={<span className="bh-spinner" />}>
                <Supervisor view={view} onRead={show} />
              </Suspense>
            </section>
          )}
          {session ? <Chat key={session.id} session={session} onClose={() => setPicked(undefined)} onShow={show} /> : (view === 'hall' || view === 'sessions') && <div className="desk-nothing" />}
        </div>
      </div>
      <Offers onAccepted={grabbed} />
    </div>
  )
}
