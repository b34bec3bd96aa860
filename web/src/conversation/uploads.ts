import { BellhopError, type Client, type FileBody, type MessageType } from 'bellhop-client'
import { useMemo, useSyncExternalStore } from 'react'
import { isShown, kindOf } from './pictureKind'
import { largest, shrink } from './shrink'

/** Why a file is not sent: a code of the protocol, or what the page itself has found. */
export type UploadError = BellhopError['code'] | 'empty' | 'unreadable' | 'proxy'

/** A file on its way to the server; once there it is sent, and is one of the log's. */
export interface Upload {
  id: string
  session: string
  file: Blob
  name: string
  type: MessageType
  /** It was pasted or dropped, and waits until whoever did it says that it is meant. */
  asked: boolean
  /** From 0 to 1. */
  done: number
  /** A local address to show it by. */
  preview: string
  /** Seconds, of what was recorded here. */
  duration?: number
  error?: UploadError
  /** After how many ms it may be tried again, where the server has said so. */
  wait?: number
}

/** As many may wait to be sent, or not. */
export const mostAsked = 20

class Refused extends Error {
  constructor(readonly why: UploadError) {
    super(why)
  }
}

function typeOf(mime: string): MessageType {
  if (isShown(mime)) return 'image'
  if (mime.startsWith('audio/')) return 'voice'
  if (mime.startsWith('video/')) return 'video'
  return 'file'
}

/** What the server has found a file to be; whether a film has pictures only its sender knows. */
function found(u: Upload, mime = ''): MessageType {
  const heard = /^(audio|video)\//.test(mime)
  return heard && (u.type === 'voice' || u.type === 'video') ? u.type : typeOf(mime)
}

const endings: Record<string, string> = { 'image/jpeg': '.jpg', 'image/png': '.png', 'image/webp': '.webp' }

/** A file's name with the ending of what was made of it. */
function renamed(name: string, mime: string) {
  if (mime === 'image/jpeg' && /\.jpe?g$/i.test(name)) return name
  return name.replace(/\.\w{1,5}$/, '') + (endings[mime] ?? '')
}

/** The uploads of one client, over all its sessions. */
export class Uploads {
  private all: readonly Upload[] = []
  private listeners = new Set<() => void>()
  private aborts = new Map<string, AbortController>()

  constructor(private client: Client) {}

  subscribe = (f: () => void) => {
    this.listeners.add(f)
    return () => void this.listeners.delete(f)
  }
  get = () => this.all

  /** Sends a file. */
  add(session: string, file: Blob, name: string, duration?: number) {
    void this.run(this.keep(session, file, name, { duration }))
  }

  /** Shows a file, and waits for `send`; false where too many wait already. */
  ask(session: string, file: Blob, name: string) {
    if (this.waiting(session).length >= mostAsked) return false
    this.keep(session, file, name, { asked: true })
    return true
  }

  /** Sends what waits in a session. */
  send(session: string) {
    const all = this.waiting(session)
    this.set(this.all.map((u) => (all.includes(u) ? { ...u, asked: false } : u)))
    for (const u of all) void this.run({ ...u, asked: false })
  }

  waiting(session: string) {
    return this.all.filter((u) => u.asked && u.session === session)
  }

  retry(u: Upload) {
    this.change(u.id, { error: undefined, wait: undefined, done: 0 })
    void this.run(u)
  }

  remove(u: Upload) {
    this.aborts.get(u.id)?.abort()
    URL.revokeObjectURL(u.preview)
    this.set(this.all.filter((v) => v.id !== u.id))
  }

  private keep(session: string, file: Blob, name: string, more: { asked?: boolean; duration?: number }): Upload {
    const u: Upload = { id: crypto.getRandomValues(new Uint32Array(2)).join('-'), session, file, name, type: typeOf(file.type), asked: false, done: 0, preview: URL.createObjectURL(file), ...more }
    this.set([...this.all, u])
    return u
  }

  private async run(u: Upload) {
    const abort = new AbortController()
    this.aborts.set(u.id, abort)
    try {
      const body = await this.bring(u, abort.signal)
      if (abort.signal.aborted) return
      if (u.duration && !body.duration) body.duration = u.duration
      void this.client.send(u.session, body, { type: found(u, body.mime) })
      this.remove(u)
    } catch (e) {
      if (abort.signal.aborted) return
      if (e instanceof Refused) this.change(u.id, { error: e.why })
      else this.change(u.id, e instanceof BellhopError ? { error: e.code, wait: e.retryAfter } : { error: 'internal' })
    } finally {
      if (this.aborts.get(u.id) === abort) this.aborts.delete(u.id)
    }
  }

  /** Uploads a file, as a picture that the server shows where one can be made of it. */
  private async bring(u: Upload, signal: AbortSignal): Promise<FileBody> {
    if (!u.file.size) throw new Refused('empty')
    const kind = await kindOf(u.file).catch(() => {
      throw new Refused('unreadable') // moved or changed since it was picked
    })
    const put = (file: Blob) => this.client.upload(file, file === u.file ? u.name : renamed(u.name, file.type), { signal, onProgress: (done) => this.change(u.id, { done }) })
    const made = kind && (await shrink(u.file, kind))
    const file = made ?? u.file
    if (signal.aborted || file.size > largest) throw new Refused('too_large')
    const again = async () => (kind && !made && !signal.aborted ? shrink(u.file, kind, true) : undefined)
    try {
      const body = await put(file)
      const other = kind && !isShown(body.mime) ? await again() : undefined
      // A file is better than nothing.
      return other ? await put(other).catch(() => body) : body
    } catch (e) {
      if (!(e instanceof BellhopError) || e.code !== 'too_large') throw e
      // Some proxy takes less than the server.
      const other = await again()
      if (other) return put(other)
      throw new Refused('proxy')
    }
  }

  private change(id: string, to: Partial<Upload>) {
    this.set(this.all.map((u) => (u.id === id ? { ...u, ...to } : u)))
  }

  private set(all: readonly Upload[]) {
    this.all = all
    for (const f of this.listeners) f()
  }
}

const stores = new WeakMap<Client, Uploads>()

export function uploadsOf(client: Client) {
  let u = stores.get(client)
  if (!u) stores.set(client, (u = new Uploads(client)))
  return u
}

/** The uploads of one session: those on their way, and those that wait. */
export function useUploads(client: Client, session: string) {
  const store = uploadsOf(client)
  const all = useSyncExternalStore(store.subscribe, store.get)
  return useMemo(() => {
    const own = all.filter((u) => u.session === session)
    return { sent: own.filter((u) => !u.asked), asked: own.filter((u) => u.asked) }
  }, [all, session])
}
