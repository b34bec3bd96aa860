import type { Session } from 'bellhop-client'
import { useCallback, useEffect, useState } from 'react'
import { LinkNotice } from '../lib/LinkNotice'
import { useClient, useClientState } from '../lib/useClient'
import { Chat } from './Chat'
import { Hall } from './Hall'
import { useAlerts } from './alerts'
import { Offers } from './Offers'
import { Rail, type View } from './Rail'
import { Sessions } from './Sessions'
import { mine } from './sessions'

/** The workbench: a rail, a list, and what is picked from it. On a phone one of them at a time. */
export function Desk({ onSignOut }: { onSignOut: () => void }) {
  const client = useClient()
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

  // Alt+1 and Alt+2 pick a view, Alt+up and Alt+down a session.
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (!e.altKey || e.ctrlKey || e.metaKey) return
      const n = Number(e.code.replace('Digit', ''))
      const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
      if (n === 1 || n === 2) setView(n === 1 ? 'hall' : 'sessions')
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
          {session ? <Chat key={session.id} session={session} onClose={() => setPicked(undefined)} onShow={show} /> : <div className="desk-nothing" />}
        </div>
      </div>
      <Offers onAccepted={grabbed} />
    </div>
  )
}
