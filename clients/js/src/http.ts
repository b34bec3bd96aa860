import type { Answer, Platform, Request, Upload, UploadOptions } from './platform.js'
import { whole } from './shape.js'
import { BellhopError, type ErrorCode, type FileBody, type WireError } from './types.js'

/** What is meant by an answer that is not the server's: a proxy's. */
const plain: Record<number, ErrorCode> = { 400: 'bad_request', 401: 'unauthorized', 403: 'forbidden', 413: 'too_large', 415: 'bad_request', 429: 'rate_limited' }

export interface RequestOptions extends Request {
  /** A body, as JSON. */
  json?: unknown
}

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

/** One participant's calls of the HTTP API; each rejects with a BellhopError. */
export class Http {
  /** The token that was taken last. */
  token = ''

  constructor(
    private base: string,
    private platform: Platform,
  ) {}

  async request<T>(path: string, r?: RequestOptions): Promise<T> {
    const a = await this.ask(path, r)
    return read(a.status, await a.text())
  }

  /** The same for what is no JSON. */
  async blob(path: string): Promise<Blob> {
    const a = await this.ask(path)
    return a.status < 300 && a.blob ? a.blob() : read(a.status, await a.text())
  }

  /** Uploads a file; the answer is the body of the message that sends it. */
  async upload(file: Upload, name: string, opt: UploadOptions = {}): Promise<FileBody> {
    const a = await this.answer(this.platform.upload(`${this.base}/files`, this.headers(), file, name, opt), opt.signal)
    return read(a.status, await a.text())
  }

  private headers = () => ({ Authorization: `Bearer ${this.token}` })

  private ask(path: string, { json, ...r }: RequestOptions = {}) {
    const headers: Record<string, string> = { ...r.headers, ...this.headers() }
    if (json !== undefined) headers['Content-Type'] = 'application/json'
    return this.answer(this.platform.request(this.base + path, { ...r, headers, body: json === undefined ? r.body : JSON.stringify(json) }), r.signal)
  }

  /** No answer is a refusal, too, unless it is not wanted any more. */
  private async answer(a: Promise<Answer>, signal?: AbortSignal) {
    try {
      return await a
    } catch (e) {
      if (signal?.aborted) throw e
      return read<never>(0, '')
    }
  }
}
