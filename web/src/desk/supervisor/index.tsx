import type { Session } from 'bellhop-client'
import { lazy, Suspense } from 'react'
import { AllSessions } from './AllSessions'
import { Live } from './Live'
import { Search } from './Search'
import { Settings } from './Settings'

// The charts are most of what this needs; they come when they are looked at.
const Figures = lazy(() => import('./Figures'))

export type SupervisorView = 'live' | 'stats' | 'all' | 'search' | 'settings'

/** What a supervisor has beside an agent's desk. `onRead` shows a session beside it. */
export default function Supervisor({ view, onRead }: { view: SupervisorView; onRead: (s: Session) => void }) {
  switch (view) {
    case 'live':
      return <Live />
    case 'stats':
      return <Suspense fallback={<span className="bh-spinner" />}><Figures /></Suspense>
    case 'all':
      return <AllSessions onRead={onRead} />
    case 'search':
      return <Search onRead={onRead} />
    case 'settings':
      return <Settings />
  }
}
