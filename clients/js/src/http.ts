import { whole } from './shape.js'
import { BellhopError, type ErrorCode, type FileBody, type WireError } from './types.js'

/** What is meant by an answer that is not the server's: a proxy's. */
const plain: Record<number, ErrorCode> = { 400: 'bad_request', 401: 'unauthorized', 403: 'forbidden', 413: 'too_large', 415: 'bad_request', 429: 'rate_limited' }

/** Reads an answer, or throws the refusal that it is. */
function read<T>(status: number, text: string): T {
  let body: unknown
  try {
    body = text ? JSON.parse(text) : undefined
  } catch {
    body = undefined // a proxy's page
  }
  if (status >= 200 && status < 300) return whole(body) as T
  const p = (body ?? {}) as Partial<WireError> & { detail?: string; title?: string }
  const code = p.code ?? plain[status] ?? (status >= 500 || !status ? 'unavailable' : 'internal')
  throw new BellhopError({ ...p, code, message: p.detail ?? p.title ?? `HTTP ${status}`, retry: p.retry ?? (status >= 500 || status === 429 || !status) })
}

/** Calls the HTTP API; rejects with a BellhopError. */
export async function request<T>(base: string, token: string, path: string, init: RequestInit & { json?: unknown } = {}): Promise<T> {
  const r = await ask(base, token, path, init)
  return read(r.status, await r.text())
}

/** The same for what is no JSON. */
export async function blob(base: string, token: string, path: string): Promise<Blob> {
  const r = await ask(base, token, path, {})
  return r.ok ? r.blob() : read(r.status, await r.text())
}

async function ask(base: string, token: string, path: string, init: RequestInit & { json?: unknown }): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('Authorization', `Bearer ${token}`)
  if (init.json !== undefined) headers.set('Content-Type', 'application/json')
  try {
    return await fetch(`${base}/api/v1${path}`, { ...init, headers, body: init.json === undefined ? init.body : JSON.stringify(init.json) })
  } catch (e) {
    if (init.signal?.aborted) throw e
    return read(0, '')
  }
}

export interface UploadOptions {
  /** From 0 to 1; only where there is XMLHttpRequest. */
  onProgress?: (done: number) => void
  signal?: AbortSignal
}

/** Uploads a file; the answer is the body of the message that sends it. */
export function upload(base: string, token: string, file: Blob, name: string, opt: UploadOptions = {}): Promise<FileBody> {
  const form = new FormData()
  // In the file's own head these may be read as something else.
  if (/["\\%\r\n]/.test(name)) form.append('name', name)
  form.append('file', file, name)
  if (!opt.onProgress || typeof XMLHttpRequest === 'undefined') {
    return request(base, token, '/files', { method: 'POST', body: form, signal: opt.signal })
  }
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest()
    x.open('POST', `${base}/api/v1/files`)
    x.setRequestHeader('Authorization', `Bearer ${token}`)
    x.upload.onprogress = (e) => opt.onProgress!(e.loaded / e.total)
    x.onloadend = () => {
      try {
        resolve(read(x.status, x.responseText))
      } catch (e) {
        reject(e instanceof Error ? e : new Error(String(e)))
      }
    }
    opt.signal?.addEventListener('abort', () => x.abort())
    x.send(form)
  })
}
