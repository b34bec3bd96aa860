import type { Callbacks, Phone } from './phone.js'

const most = 5

interface Connect extends Callbacks {
  url: string
  header?: Record<string, string>
  protocols?: string[]
}

/** The sockets of one mini program. */
export class Sockets {
  /** All that were made. */
  all: SocketTask[] = []

  constructor(private phone: Phone) {}

  /** Those that take one of the five places. */
  get living() {
    return this.all.filter((s) => s.readyState < 2)
  }

  connect(o: Connect): SocketTask | undefined {
    const full = this.living.length >= most
    const why = !/^wss?:\/\/[^/]/.test(o.url) ? 'invalid url' : full ? `reach max websocket connect count ${most}` : this.phone.away
    const task = new SocketTask(this.phone, why ? undefined : o)
    this.phone.answer(o, 'connectSocket', why, { socketTaskId: this.all.length })
    if (why) return full && this.phone.kind.sixth === 'nothing' ? undefined : task
    this.all.push(task)
    return task
  }

  /** As the background does. */
  interrupt() {
    for (const s of this.living) s.cut(this.phone.kind.cut, 'interrupted', this.phone.kind.told !== 'never')
  }

  /** As a network that goes. */
  lose() {
    for (const s of this.living) s.cut(1006, 'abnormal closure', true)
  }
}

type Name = 'open' | 'message' | 'close' | 'error'

/** What `connectSocket` returns. Its events are lost to who does not listen yet. */
export class SocketTask {
  readyState = 0
  private ws?: WebSocket
  private on: Record<Name, ((e: object) => void)[]> = { open: [], message: [], close: [], error: [] }

  constructor(
    private phone: Phone,
    o?: Connect,
  ) {
    this.readyState = o ? 0 : 3
    if (!o) return
    // Headers are Node's addition.
    const ws = (this.ws = new WebSocket(o.url, { protocols: o.protocols ?? [], headers: o.header ?? {} } as never))
    ws.onopen = () => {
      this.readyState = 1
      this.tell('open', { header: {} })
    }
    ws.onmessage = ({ data }) => this.readyState === 1 && this.tell('message', { data: data as unknown })
    ws.onerror = () => this.readyState === 0 && this.refused()
    ws.onclose = ({ code, reason }) => {
      if (this.readyState === 0) return this.refused()
      if (this.readyState === 3) return
      this.readyState = 3
      this.tell('close', { code, reason })
    }
  }

  private tell(name: Name, e: object) {
    for (const f of this.on[name]) this.phone.enter(() => f(e))
  }

  private refused() {
    this.readyState = 3
    const { refused } = this.phone.kind
    if (refused !== 'close') this.tell('error', { errMsg: 'connectSocket:fail Invalid HTTP status.' })
    if (refused !== 'error') this.tell('close', { code: 1006, reason: 'abnormal closure' })
  }

  cut(code: number, reason: string, told: boolean) {
    this.readyState = 3
    this.ws?.close()
    if (told) this.tell('close', { code, reason })
  }

  onOpen = (f: (e: object) => void) => void this.on.open.push(f)
  onMessage = (f: (e: object) => void) => void this.on.message.push(f)
  onClose = (f: (e: object) => void) => void this.on.close.push(f)
  onError = (f: (e: object) => void) => void this.on.error.push(f)

  send(o: Callbacks & { data: unknown }) {
    const why = this.readyState !== 1 ? 'SocketTask.readyState is not OPEN' : typeof o.data !== 'string' ? 'data type' : ''
    if (!why) this.ws!.send(o.data as string)
    this.phone.answer(o, why ? 'SocketTask.send' : 'sendSocketMessage', why)
  }

  /** Before it is open it cannot be closed: it opens, and takes a place. */
  close(o: Callbacks & { code?: number; reason?: string } = {}) {
    if (this.readyState !== 1) return this.phone.answer(o, 'closeSocket', 'WebSocket is not connected')
    this.readyState = 2
    this.ws!.close(o.code ?? 1000)
    this.phone.answer(o, 'closeSocket', '')
  }
}
