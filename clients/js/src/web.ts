import type { Answer, Platform, Request, Socket, UploadOptions } from './platform.js'

const answer = (status: number, text: string): Answer => ({ status, text: () => Promise.resolve(text) })

/** With what tells how far it is, which `fetch` does not. */
function sendForm(url: string, headers: Record<string, string>, form: FormData, { onProgress, signal }: UploadOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const x = new XMLHttpRequest()
    x.open('POST', url)
    for (const name in headers) x.setRequestHeader(name, headers[name]!)
    x.upload.onprogress = (e) => onProgress!(e.loaded / e.total)
    x.onloadend = () => resolve(answer(x.status, x.responseText))
    signal?.addEventListener('abort', () => x.abort())
    x.send(form)
  })
}

/** Browsers, their workers, and Node, which has of the web's interfaces what it takes. `ws`: another WebSocket. */
export const web = (ws = globalThis.WebSocket): Platform => ({
  socket: (url, token) => new ws(url, ['bellhop.v1', token]) as Socket,
  request: (url: string, r: Request) => fetch(url, r),
  upload(url, headers, file, name, opt) {
    const form = new FormData()
    // In the file's own head these may be read as something else.
    if (/["\\%\r\n]/.test(name)) form.append('name', name)
    form.append('file', file as Blob, name)
    if (opt.onProgress && typeof XMLHttpRequest !== 'undefined') return sendForm(url, headers, form, opt)
    return fetch(url, { method: 'POST', headers, body: form, signal: opt.signal })
  },
  wakes(look) {
    const page = globalThis.document
    const online = () => look()
    const seen = () => page.visibilityState === 'visible' && look()
    globalThis.addEventListener?.('online', online)
    page?.addEventListener('visibilitychange', seen)
    return () => {
      globalThis.removeEventListener?.('online', online)
      page?.removeEventListener('visibilitychange', seen)
    }
  },
  steady: () => globalThis.performance?.now() ?? Date.now(),
  report(e) {
    if (typeof reportError === 'function') return reportError(e)
    // eslint-disable-next-line no-console -- Node has nothing else, and would end at an error that nobody catches
    console.error(e)
  },
})
