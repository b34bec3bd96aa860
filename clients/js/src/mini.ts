import { Client as Anywhere, type Options as Everywhere } from './client.js'
import type { Storage } from './outbox.js'
import type { Answer, Platform, Request, Socket, Upload, UploadOptions } from './platform.js'

interface Callbacks<T> {
  success?: (r: T) => void
  fail?: (e: { errMsg: string }) => void
}

interface Response {
  statusCode: number
  data: unknown
}

interface SocketTask {
  onOpen(f: () => void): void
  onMessage(f: (e: { data: string | ArrayBuffer }) => void): void
  onClose(f: (e: { code?: number }) => void): void
  onError(f: () => void): void
  send(o: { data: string } & Callbacks<unknown>): void
  close(o: Callbacks<unknown>): void
}

interface Task {
  abort(): void
  onProgressUpdate?(f: (e: { progress: number }) => void): void
}

type Network = (e: { isConnected: boolean }) => void

/** What a client uses of a mini program: of WeChat's `wx`, uni-app's `uni`, and others of their shape. */
export interface MiniProgram {
  connectSocket(o: { url: string; header: Record<string, string> } & Callbacks<unknown>): SocketTask | undefined
  request(o: { url: string; method: never; header: Record<string, string>; data?: string; dataType: string; responseType: never } & Callbacks<Response>): Task | undefined
  uploadFile(o: { url: string; header: Record<string, string>; filePath: string; name: string } & Callbacks<Response>): Task | undefined
  onAppShow?(f: () => void): void
  offAppShow?(f: () => void): void
  onAppHide?(f: () => void): void
  offAppHide?(f: () => void): void
  onNetworkStatusChange?(f: Network): void
  offNetworkStatusChange?(f: unknown): void
  getStorageSync(key: string): unknown
  setStorageSync(key: string, value: string): void
  removeStorageSync(key: string): void
  getStorageInfoSync(): { keys: string[] }
}

/** How long a mini program lives in the background before its connections are cut, in ms. */
const grace = 5_000

/**
 * A SocketTask as a WebSocket. Its own ways: it cannot be closed before it is open; one too many, of five, may be none at all;
 * a failure may be told by the call, by `onError`, by `onClose`, or by several of them; and a send may fail without any.
 */
function socket(api: MiniProgram, url: string, token: string): Socket {
  const s: Socket = { onopen: null, onmessage: null, onclose: null, onerror: null, send, close }
  let [open, over] = [false, false]
  const shut = () => task?.close({ fail: () => {} })
  const end = (code: number) => {
    if (over) return
    over = true
    s.onclose?.({ code })
  }
  const failed = () => {
    if (open) shut()
    end(1006)
  }
  function send(data: string) {
    if (open && !over) task?.send({ data, fail: failed })
  }
  function close() {
    over = true
    if (open) shut()
  }
  // No `protocols`: some hosts ignore them, and refuse a server that picks one.
  const task = api.connectSocket({ url, header: { Authorization: `Bearer ${token}` }, success: () => {}, fail: () => void Promise.resolve().then(failed) })
  task?.onOpen(() => {
    open = true
    if (over) shut()
    else s.onopen?.()
  })
  task?.onMessage(({ data }) => void (over || s.onmessage?.({ data })))
  task?.onClose(({ code }) => {
    open = false
    end(code ?? 1006)
  })
  task?.onError(failed)
  return s
}

/** Makes a call with callbacks a promise. */
const call = (start: (c: Callbacks<Response>) => Task | undefined, { signal, onProgress }: UploadOptions) =>
  new Promise<Answer>((resolve, reject) => {
    const success = ({ statusCode, data }: Response) => resolve({ status: statusCode, text: () => Promise.resolve(typeof data === 'string' ? data : JSON.stringify(data ?? '')) })
    const task = start({ success, fail: (e) => reject(new Error(e.errMsg)) })
    if (onProgress) task?.onProgressUpdate?.((e) => onProgress(e.progress / 100))
    signal?.addEventListener('abort', () => task?.abort())
  })

/** Mini programs. */
const platform = (api: MiniProgram): Platform => ({
  socket: (url, token) => socket(api, url, token),
  request: (url, { method = 'GET', headers = {}, body, signal }: Request) =>
    call((c) => api.request({ url, method: method as never, header: headers, data: body, dataType: 'text', responseType: 'text' as never, ...c }), { signal }),
  upload: (url: string, header: Record<string, string>, file: Upload, _: string, opt: UploadOptions) =>
    call((c) => api.uploadFile({ url, header, filePath: file as string, name: 'file', ...c }), opt),
  wakes(look) {
    let hidden = Infinity
    const hide = () => void (hidden = Date.now())
    const show = () => {
      look(Date.now() - hidden >= grace)
      hidden = Infinity
    }
    const network: Network = ({ isConnected }) => void (isConnected && look())
    api.onAppHide?.(hide)
    api.onAppShow?.(show)
    api.onNetworkStatusChange?.(network)
    return () => {
      api.offAppHide?.(hide)
      api.offAppShow?.(show)
      api.offNetworkStatusChange?.(network)
    }
  },
  steady: () => Date.now(), // there is no other clock
  report(e) {
    setTimeout(() => {
      throw e // to App.onError
    }, 0)
  },
})

/** A mini program's storage, for sends that are to outlive it. */
function storageOf(api: MiniProgram): Storage {
  let keys: string[] = []
  return {
    get length() {
      keys = api.getStorageInfoSync().keys
      return keys.length
    },
    key: (i) => keys[i] ?? null,
    getItem: (key) => (api.getStorageSync(key) as string) || null,
    setItem: (key, value) => api.setStorageSync(key, value),
    removeItem: (key) => api.removeStorageSync(key),
  }
}

export interface Options extends Omit<Everywhere, 'storage'> {
  /** `wx` or `uni`. */
  api: MiniProgram
  /** Whether sends that were not acknowledged outlive the mini program, in its storage; they do unless this is false. */
  storage?: boolean
}

/** A client for mini programs. */
export class Client extends Anywhere {
  constructor(opt: Options) {
    super({ ...opt, storage: opt.storage === false ? undefined : storageOf(opt.api) }, platform(opt.api))
  }

  /** Uploads the file of a path, such as `wx.chooseMedia` gives. */
  override async upload(path: string, name = path.slice(path.lastIndexOf('/') + 1), opt?: UploadOptions) {
    return { ...(await super.upload(path, name, opt)), name } // the form tells no name but the path's
  }
}

export * from './exports.js'
