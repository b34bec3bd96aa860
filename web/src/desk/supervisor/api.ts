import type { BellhopError, Status } from 'bellhop-client'
import { App } from 'antd'
import { useCallback, useEffect, useState } from 'react'
import { errorText } from '../../conversation/errorText'
import { useT } from '../../lib/i18n'
import { useClient } from '../../lib/useClient'

/** Seconds; null where there was none. */
export interface Times {
  count: number
  mean: number | null
  median: number | null
  p95: number | null
}

export interface Counts {
  opened: number
  grabbed: number
  ended: number
  abandoned: number
  transferred: number
  waitingTime: Times
  firstResponse: Times
  handling: Times
  bots?: { waitingTime: Times; firstResponse: Times; handling: Times }
  ratings: { count: number; mean: number | null }
  occupancy?: { rate: number | null } | null
}

export interface Stats {
  waiting: number
  serving: number
  totals: Counts
  buckets: (Counts & { start: string })[]
  queues: (Counts & { queue: string | null; waiting: number; serving: number })[]
  agents: (Counts & { agent: string; name: string; status: Status; serving: number })[]
}

/** Says in words why something was refused. */
export function useRefusal() {
  const t = useT()
  const { message } = App.useApp()
  return useCallback((e: unknown) => void message.error(errorText((e as BellhopError).code, t) + ((e as BellhopError).code === 'bad_request' ? ` ${(e as BellhopError).message}` : '')), [message, t])
}

/** What a GET answers; asked again every so many seconds, and by `again`. */
export function useAnswer<T>(path: string, everySeconds = 0) {
  const client = useClient()
  const refused = useRefusal()
  const [answer, setAnswer] = useState<T>()
  const [asked, setAsked] = useState(0)
  useEffect(() => {
    let here = true
    const ask = () => client.request<T>(path).then((a) => here && setAnswer(a))
    ask().catch((e) => here && refused(e))
    const timer = everySeconds ? setInterval(() => void ask().catch(() => {}), everySeconds * 1000) : undefined // the next one may do
    return () => {
      here = false
      clearInterval(timer)
    }
  }, [client, path, everySeconds, asked, refused])
  return [answer, useCallback(() => setAsked((n) => n + 1), [])] as const
}

/** Lets the browser keep what a GET answers as a file. */
export function useDownload() {
  const client = useClient()
  const refused = useRefusal()
  return (path: string, name: string) =>
    void client.blob(path).then((b) => {
      const a = document.createElement('a')
      a.href = URL.createObjectURL(b)
      a.download = name
      a.click()
      setTimeout(() => URL.revokeObjectURL(a.href), 60_000)
    }).catch(refused)
}
