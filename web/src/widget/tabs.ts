export interface TabsOptions {
  /** Of the lock and the channel: tabs with the same follow the same count. */
  name: string
  /** This tab leads from now on, or does not any more. */
  onChange: () => void
  /** What the leading tab tells. */
  onUnread: (unread: number) => void
  /** What this tab tells while it leads; undefined where it does not know yet. */
  unread: () => number | undefined
}

/** Between tabs: `ask` whether there is one that leads; that one answers with the count, or null. */
type Word = { ask: true } | { unread: number | null }

/** How long a leading tab may take to answer, in ms. A tab that the system put to sleep keeps its lock. */
const patience = 3000

/**
 * The tabs of a site agree on one that follows the count for all: who holds a Web Lock leads, and tells the others over a channel.
 * Where there are no locks or channels, or they are denied, a tab leads as long as it is visible.
 */
export class Tabs {
  leading = false
  private on = false
  private willing = false
  private channel?: BroadcastChannel
  /** Ends this tab's place in line for the lock, and its hold on it. */
  private turn?: AbortController
  private timer?: ReturnType<typeof setTimeout>

  constructor(private opt: TabsOptions) {}

  /** Listens to the tab that leads, and is ready to lead if `willing`. */
  start(willing: boolean) {
    if (this.on) return
    this.on = true
    document.addEventListener('visibilitychange', this.look)
    addEventListener('focus', this.look)
    this.channel = channel(this.opt.name)
    this.channel?.addEventListener('message', this.hear)
    if (willing) this.want()
    else this.tell({ ask: true })
  }

  /** Is ready to lead from now on. */
  want() {
    if (!this.on || this.willing) return
    this.willing = true
    if (this.channel && !this.turn) void this.line()
    this.look()
  }

  /** Leads at once, in place of whichever tab does. */
  take() {
    if (!this.on) return
    this.willing = true
    if (!this.channel) this.look()
    else if (!this.leading) void this.line(true)
  }

  /** Lets another tab lead; without channels, until this one is shown again. */
  pass() {
    if (this.channel) this.willing = false
    this.giveUp()
    this.set(false)
  }

  /** Tells the other tabs the count, if this one leads. */
  told(unread: number) {
    if (this.leading) this.tell({ unread })
  }

  /** Leads no more, and listens no more: a page that holds a lock or a channel is not kept for going back to it. */
  stop() {
    this.on = this.willing = false
    document.removeEventListener('visibilitychange', this.look)
    removeEventListener('focus', this.look)
    this.giveUp()
    this.channel?.close()
    this.channel = undefined
    this.set(false)
  }

  private giveUp() {
    clearTimeout(this.timer)
    this.turn?.abort()
    this.turn = undefined
  }

  private set(leading: boolean) {
    if (this.leading === leading) return
    this.leading = leading
    clearTimeout(this.timer)
    this.opt.onChange()
    if (leading) this.tell({ unread: this.opt.unread() ?? null })
  }

  private tell(w: Word) {
    try {
      this.channel?.postMessage(w)
    } catch {
      // It was closed by the browser: then the others find out by asking.
    }
  }

  private hear = ({ data }: MessageEvent<Word | null>) => {
    if (!data || typeof data !== 'object') return // a script of the site's
    if ('ask' in data) {
      if (this.leading) this.tell({ unread: this.opt.unread() ?? null })
      return
    }
    clearTimeout(this.timer)
    if (!this.leading && typeof data.unread === 'number') this.opt.onUnread(data.unread)
  }

  /** Shown, a tab asks whether one leads that is awake, and leads if there is none. */
  private look = () => {
    const shown = document.visibilityState === 'visible'
    if (!this.channel) return this.set(this.willing && shown)
    clearTimeout(this.timer)
    if (!shown || this.leading) return
    this.tell({ ask: true })
    if (this.willing) this.timer = setTimeout(() => void this.line(true), patience)
  }

  /** Stands in line for the lock, or takes it at once, which its holder sees by an AbortError. */
  private async line(steal = false): Promise<void> {
    this.giveUp()
    const turn = (this.turn = new AbortController())
    const hold = () =>
      new Promise<void>((done) => {
        if (turn.signal.aborted) return done()
        turn.signal.addEventListener('abort', () => done())
        this.set(true)
      })
    try {
      await navigator.locks.request(this.opt.name, steal ? { steal } : { signal: turn.signal }, hold)
    } catch (e) {
      if (turn.signal.aborted) return
      this.turn = undefined
      this.set(false)
      if ((e as Error | undefined)?.name === 'AbortError') return this.line()
      this.channel?.close() // locks are denied here
      this.channel = undefined
      this.look()
    }
  }
}

/** A channel, where there are locks as well: one is of no use without the other. */
function channel(name: string) {
  try {
    return typeof navigator.locks?.request === 'function' ? new BroadcastChannel(name) : undefined
  } catch {
    return undefined
  }
}
