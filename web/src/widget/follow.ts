import { Client, type ClosedReason } from 'bellhop-client'

export interface FollowOptions {
  server: string
  token: () => string | Promise<string>
  device: string
  onUnread: (unread: number) => void
  /** It is over: nobody is let in by this token, or another page's connection took its place. */
  onEnd: (reason: ClosedReason | undefined) => void
}

/** So many attempts fail before the badge gives its place up for a while: for the server, and for a chat that waits for a place. */
const attempts = 6

/** Ms before the badge tries again: a minute at first, a quarter of an hour in the end. */
const pause = (n: number) => (0.5 + Math.random() / 2) * Math.min(15, 2 ** n) * 60_000

/** A connection of the badge's own. It is worth less than a chat: it does not insist. */
export class Follow {
  private client?: Client
  private timer?: ReturnType<typeof setTimeout>
  private pauses = 0

  constructor(private opt: FollowOptions) {
    this.start()
  }

  stop() {
    clearTimeout(this.timer)
    removeEventListener('online', this.start)
    const client = this.client
    this.client = undefined
    client?.close()
  }

  private start = () => {
    this.stop()
    const { server, token, device, onUnread, onEnd } = this.opt
    const client = (this.client = new Client({ url: server, token, device }))
    let [failed, last] = [0, 0]
    client.subscribe(() => {
      if (client !== this.client) return
      const { status, reason, me, unread, nextAttempt } = client.state
      if (me) onUnread(unread)
      if (status === 'online') failed = this.pauses = 0
      if (status === 'closed') return onEnd(reason)
      if (status !== 'waiting' || nextAttempt === last) return
      last = nextAttempt
      if (++failed >= attempts) this.rest()
    })
    client.start()
  }

  private rest() {
    this.stop()
    this.timer = setTimeout(this.start, pause(this.pauses++))
    addEventListener('online', this.start)
  }
}
