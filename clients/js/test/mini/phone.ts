import { createContext, Script, type Context } from 'node:vm'
import { Storage } from './storage.js'
import { Sockets } from './sockets.js'

export interface Callbacks {
  success?: (r: object) => void
  fail?: (e: { errMsg: string }) => void
  complete?: (r: object) => void
}

/** How the kinds of phones differ: what WeChat's documents leave open, and people report. */
export interface Kind {
  /** With what code a socket that the background cut is closed. */
  cut: number
  /** When that is told: before the suspension, after `onAppShow`, or never. */
  told: 'before' | 'after' | 'never'
  /** What the sixth `connectSocket` returns. */
  sixth: 'nothing' | 'a task'
  /** By what a failed handshake is told. */
  refused: 'error' | 'close' | 'both'
}

export const android: Kind = { cut: 1006, told: 'before', sixth: 'a task', refused: 'both' }
export const ios: Kind = { cut: 1000, told: 'after', sixth: 'nothing', refused: 'error' }
export const odd: Kind = { cut: 1006, told: 'never', sixth: 'nothing', refused: 'close' }

type Listener<T> = (e: T) => void

/**
 * A phone with a mini program in it, after WeChat's documents: a JavaScript without a browser's globals, `wx` with callbacks, at most
 * five sockets and ten requests, and a background that suspends all of it after five seconds. The network behind it is real.
 */
export class Phone {
  suspended = false
  hidden = false
  connected = true
  /** What JavaScript threw to nobody: App.onError. */
  errors: unknown[] = []
  /** Files by their paths, as `wx.chooseMedia` gives them. */
  files = new Map<string, Blob>()
  requests = 0
  sockets: Sockets
  readonly storage = new Storage()
  private kept: (() => void)[] = []
  private asked = new Set<() => void>()
  private on = { show: new Set<Listener<object>>(), hide: new Set<Listener<void>>(), network: new Set<Listener<object>>() }
  private clock?: NodeJS.Timeout
  private timers = new Map<number, NodeJS.Timeout>()
  private timer = 0

  constructor(readonly kind: Kind = android) {
    this.sockets = new Sockets(this)
  }

  /** Runs JavaScript of the mini program's: at once, or when it is no longer suspended. */
  enter = (f: () => void) => {
    if (this.suspended) return void this.kept.push(f)
    try {
      f()
    } catch (e) {
      this.errors.push(e)
    }
  }

  /** Why the network cannot be used just now. */
  get away() {
    return this.suspended ? 'interrupted' : this.connected ? '' : 'net::ERR_INTERNET_DISCONNECTED'
  }

  answer(o: Callbacks, api: string, why: string, r: object = {}) {
    setImmediate(() =>
      this.enter(() => {
        const e = { ...r, errMsg: why ? `${api}:fail ${why}` : `${api}:ok` }
        if (why) o.fail?.(e)
        else o.success?.(e)
        o.complete?.(e)
      }),
    )
  }

  hide() {
    this.hidden = true
    for (const f of this.on.hide) this.enter(() => f())
    this.clock = setTimeout(() => this.suspend(), 5_000)
  }

  /** As five seconds after `hide`. */
  suspend() {
    clearTimeout(this.clock)
    const cut = () => this.sockets.interrupt()
    if (this.kind.told === 'before') cut()
    for (const stop of [...this.asked]) stop()
    setImmediate(() => {
      this.suspended = true
      if (this.kind.told !== 'before') cut()
    })
  }

  show() {
    clearTimeout(this.clock)
    this.hidden = this.suspended = false
    for (const f of this.on.show) this.enter(() => f({ path: '', query: {}, scene: 1001 }))
    for (const f of this.kept.splice(0)) this.enter(f)
  }

  /** The network goes: what was under way ends, and nothing new begins. */
  offline() {
    this.connected = false
    this.network('none')
    this.sockets.lose()
    for (const stop of [...this.asked]) stop()
  }

  online() {
    this.connected = true
    this.network('4g')
  }

  private network(networkType: string) {
    for (const f of this.on.network) this.enter(() => f({ isConnected: this.connected, networkType }))
  }

  end() {
    clearTimeout(this.clock)
    this.sockets.lose()
    for (const t of this.timers.values()) clearTimeout(t)
  }

  private http(api: 'request' | 'uploadFile', o: Callbacks & { url: string; dataType?: string }, init: RequestInit) {
    const abort = new AbortController()
    let stopped = this.away
    if (!/^https?:\/\/[^/]/.test(o.url)) stopped = 'invalid url'
    const stop = () => {
      stopped ||= this.suspended || this.hidden ? 'interrupted' : this.away || 'abort'
      abort.abort()
    }
    if (stopped) this.answer(o, api, stopped)
    else {
      this.requests++
      this.asked.add(stop)
      fetch(o.url, { ...init, signal: abort.signal })
        .then(async (r) => {
          const text = await r.text()
          const json = api === 'request' && (o.dataType ?? 'json') === 'json'
          let data: unknown = text
          try {
            if (json) data = JSON.parse(text)
          } catch {
            data = text
          }
          this.answer(o, api, '', { statusCode: r.status, data, header: Object.fromEntries(r.headers), cookies: [] })
        })
        .catch((e: Error) => this.answer(o, api, stopped || e.message))
        .finally(() => this.asked.delete(stop))
    }
    return { abort: stop, onProgressUpdate: (f: Listener<object>) => void setTimeout(() => this.enter(() => f({ progress: 100, totalBytesSent: 1, totalBytesExpectedToSend: 1 })), 1) }
  }

  readonly wx = {
    connectSocket: (o: never) => this.sockets.connect(o),
    request: (o: Callbacks & { url: string; method?: string; header?: Record<string, string>; data?: string; dataType?: string }) => {
      if (o.method && !/^(OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT)$/.test(o.method)) throw new TypeError('request: method')
      return this.http('request', o, { method: o.method ?? 'GET', headers: { 'content-type': 'application/json', ...o.header }, body: o.data })
    },
    uploadFile: (o: Callbacks & { url: string; filePath: string; name: string; header?: Record<string, string> }) => {
      const file = this.files.get(o.filePath)
      if (!file) return void this.answer(o, 'uploadFile', 'file not found')
      const body = new FormData()
      body.append(o.name, file, o.filePath.split('/').pop())
      return this.http('uploadFile', o, { method: 'POST', headers: o.header, body })
    },
    onAppShow: (f: Listener<object>) => void this.on.show.add(f),
    offAppShow: (f: Listener<object>) => void this.on.show.delete(f),
    onAppHide: (f: Listener<void>) => void this.on.hide.add(f),
    offAppHide: (f: Listener<void>) => void this.on.hide.delete(f),
    onNetworkStatusChange: (f: Listener<object>) => void this.on.network.add(f),
    offNetworkStatusChange: (f: Listener<object>) => void this.on.network.delete(f),
    ...this.storage.api(),
  }

  /** What listens: a client that was closed leaves nothing. */
  get listening() {
    return this.on.show.size + this.on.hide.size + this.on.network.size
  }

  /** `uni`: the same, but a call without callbacks gives a promise in place of a task. */
  get uni() {
    const promising = (name: 'connectSocket' | 'request' | 'uploadFile') => (o: Callbacks) => {
      if (o.success || o.fail || o.complete) return (this.wx[name] as (o: Callbacks) => unknown)(o)
      return new Promise((success, fail) => void (this.wx[name] as (o: Callbacks) => unknown)({ ...o, success, fail }))
    }
    return { ...this.wx, connectSocket: promising('connectSocket'), request: promising('request'), uploadFile: promising('uploadFile') }
  }

  private setTimeout = (f: () => void, ms = 0) => {
    const n = ++this.timer
    this.timers.set(n, setTimeout(() => this.enter(() => this.timers.delete(n) && f()), ms))
    return n
  }

  private clearTimeout = (n: number) => {
    clearTimeout(this.timers.get(n))
    this.timers.delete(n)
  }

  /** The globals that a mini program's scripts have, besides the language's; and a language of some years ago. */
  context(more: object = {}): Context {
    const c = createContext({ wx: this.wx, uni: this.uni, setTimeout: this.setTimeout, clearTimeout: this.clearTimeout, console, ...more })
    new Script('delete Array.prototype.at; delete String.prototype.at; delete String.prototype.replaceAll; delete Object.hasOwn; delete Array.prototype.findLast; delete globalThis.structuredClone').runInContext(c)
    return c
  }

  /** Runs a CommonJS file of the mini program's, and gives its exports. */
  static require(context: Context, code: string, requires: (name: string) => unknown = () => undefined) {
    const module = { exports: {} as Record<string, unknown> }
    const run = new Script(`(function (module, exports, require) {${code}\n})`).runInContext(context) as (...a: unknown[]) => void
    run(module, module.exports, requires)
    return module.exports
  }
}
