import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import { count } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { mine } from './sessions'

/** What to do next, where no chat is open. */
export function Nothing({ view }: { view: 'hall' | 'sessions' }) {
  const t = useT()
  const client = useClient()
  const waits = useClientState((s) => Object.values(s.queues).some((q) => (count(q.size) ?? 0) > 0))
  const any = useClientState(() => mine(client.state).length > 0)
  return (
    <section className="desk-nothing">
      <Icon name={view === 'hall' ? 'bell' : 'chat'} size={44} />
      <p>{t(view === 'hall' ? (waits ? 'desk.next.grab' : 'desk.next.wait') : any ? 'desk.next.pick' : 'desk.next.none')}</p>
    </section>
  )
}
