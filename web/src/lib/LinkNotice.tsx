import { useEffect, useState } from 'react'
import { useT } from './i18n'
import { useClient, useClientState } from './useClient'

/** A line that says when there is no connection, and for how long. */
export function LinkNotice() {
  const t = useT()
  const client = useClient()
  const status = useClientState((s) => s.status)
  const reason = useClientState((s) => s.reason)
  const next = useClientState((s) => s.nextAttempt)
  const resumed = useClientState((s) => s.resumed)
  const [now, setNow] = useState(Date.now)
  const [late, setLate] = useState(false)
  useEffect(() => {
    if (status !== 'waiting') return
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [status, next])
  const busy = status === 'connecting' || (status === 'online' && !resumed)
  useEffect(() => {
    if (!busy) return
    const timer = setTimeout(() => setLate(true), 600) // a quick one needs no notice
    return () => {
      clearTimeout(timer)
      setLate(false)
    }
  }, [busy])
  if (status === 'online' ? resumed || !late : status === 'connecting' && !late) return null
  const text =
    status === 'closed' ? t(`link.${reason ?? 'closed'}`)
    : status === 'waiting' ? t('link.waiting', { seconds: Math.max(0, Math.ceil((next - now) / 1000)) })
    : t(status === 'online' ? 'link.resuming' : 'link.connecting')
  return (
    <div className="bh-notice" role="status">
      <span>{text}</span>
      {status === 'waiting' && <button type="button" onClick={() => client.reconnect()}>{t('link.now')}</button>}
    </div>
  )
}
