import type { Client } from 'bellhop-client'
import { useEffect, useState } from 'react'
import { useClient } from './useClient'

let now: () => number = Date.now

/** The time by the server's clock, in ms of the epoch, whatever the device's says: all that the server tells is told by it. */
export const serverNow = () => now()

/** Has the page tell the time by its client. */
export function followServer(client: Client) {
  now = client.now
}

/** The server's time, told anew every so many ms, and when it turns out to be another than was thought. */
export function useServerNow(every = 1000) {
  const client = useClient()
  const [told, tell] = useState(serverNow)
  useEffect(() => {
    let ahead = 0
    const tick = () => {
      ahead = serverNow() - performance.now()
      tell(serverNow())
    }
    tick()
    const timer = setInterval(tick, every)
    const stop = client.subscribe(() => Math.abs(serverNow() - performance.now() - ahead) > 500 && tick())
    return () => {
      clearInterval(timer)
      stop()
    }
  }, [client, every])
  return told
}
