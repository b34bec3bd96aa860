import { BellhopError, type Client, type MessageType } from 'bellhop-client'
import { useCallback, useEffect, useMemo, useSyncExternalStore } from 'react'

/** A file on its way to the server; once there it is sent, and is one of the log's. */
export interface Upload {
  id: string
  session: string
  file: Blob
  name: string
  type: MessageType
  /** From 0 to 1. */
  done: number
  /** A local address to show it by. */
  preview: string
  error?: string
}

/** The server takes no larger ones. */
const largest = 20 * 1024 * 1024

function typeOf(mime: string): MessageType {
  if (/^image\/(jpeg|png|gif|webp)$/.test(mime)) return 'image'
  if (mime.startsWith('audio/')) return 'voice'
  if (mime.startsWith('video/')) return 'video'
  return 'file'
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

  add(session: string, file: Blob, name: string, duration?: number) {
    const u: Upload = { id: crypto.getRandomValues(new Uint32Array(2)).join('-'), session, file, name, type: typeOf(file.type), done: 0, preview: URL.createObjectURL(file) }
    this.set([...this.all, u])
    void this.run(u, duration)
  }

  retry(u: Upload) {
    this.change(u.id, { error: undefined, done: 0 })
    void this.run(u)
  }

  remove(u: Upload) {
    this.aborts.get(u.id)?.abort()
    URL.revokeObjectURL(u.preview)
    this.set(this.all.filter((v) => v.id !== u.id))
  }

  private async run(u: Upload, duration?: number) {
    const abort = new AbortController()
    this.aborts.set(u.id, abort)
    try {
      if (u.file.size > largest) throw new BellhopError({ code: 'too_large', message: '', retry: false })
      const body = await this.client.upload(u.file, u.name, { signal: abort.signal, onProgress: (done) => this.change(u.id, { done }) })
      if (duration && !body.duration) body.duration = duration
      // What the server has found it to be: a picture that takes too much to look at is a file.
      void this.client.send(u.session, body, { type: /^(image|audio|video)\//.test(body.mime ?? '') ? u.type : 'file' })
      this.remove(u)
    } catch (e) {
      if (!abort.signal.aborted) this.change(u.id, { error: e instanceof BellhopError ? e.code : 'internal' })
    }
    this.aborts.delete(u.id)
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

/** The uploads of one session. */
export function useUploads(client: Client, session: string) {
  const store = uploadsOf(client)
  const all = useSyncExternalStore(store.subscribe, store.get)
  return useMemo(() => all.filter((u) => u.session === session), [all, session])
}

/** What a person drops or pastes becomes uploads. */
export function useFileDrop(target: React.RefObject<HTMLElement | null>, add: (files: File[]) => void) {
  const take = useCallback(
    (e: DragEvent | ClipboardEvent) => {
      const data = e instanceof DragEvent ? e.dataTransfer : e.clipboardData
      if (!data?.files.length) return
      e.preventDefault()
      add([...data.files])
    },
    [add],
  )
  useEffect(() => {
    const el = target.current
    const over = (e: DragEvent) => e.preventDefault()
    el?.addEventListener('dragover', over)
    el?.addEventListener('drop', take)
    el?.addEventListener('paste', take)
    return () => {
      el?.removeEventListener('dragover', over)
      el?.removeEventListener('drop', take)
      el?.removeEventListener('paste', take)
    }
  }, [target, take])
}
