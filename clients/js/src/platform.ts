/** A WebSocket, as far as a client uses it. A browser's is one. */
export interface Socket {
  onopen: (() => void) | null
  onmessage: ((e: { data: unknown }) => void) | null
  /** Once, whoever closes it; but not after `close`. */
  onclose: ((e: { code: number }) => void) | null
  /** May tell alone of a handshake that failed. */
  onerror: (() => void) | null
  send(line: string): void
  close(): void
}

/** What answers an HTTP request. A browser's `Response` is one. */
export interface Answer {
  status: number
  text(): Promise<string>
  /** Not where there are no Blobs. */
  blob?(): Promise<Blob>
}

export interface Request {
  method?: string
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal
}

export interface UploadOptions {
  /** From 0 to 1, where the platform tells. */
  onProgress?: (done: number) => void
  signal?: AbortSignal
}

/** A file to upload: a Blob, or, in mini programs, the path of one. */
export type Upload = Blob | string

/** Where a client runs: all that it needs of a browser, of Node or of a mini program, besides the language and `setTimeout`. */
export interface Platform {
  /** Opens a WebSocket that brings a token. Throws where it cannot be a token. */
  socket(url: string, token: string): Socket
  /** Rejects where no answer came. */
  request(url: string, r: Request): Promise<Answer>
  /** The same with a file, as the field `file` of a form. */
  upload(url: string, headers: Record<string, string>, file: Upload, name: string, opt: UploadOptions): Promise<Answer>
  /** Calls `look` when a network or the user came back: `dead` where no connection can have lived on. Returns what ends that. */
  wakes(look: (dead?: boolean) => void): () => void
  /** Milliseconds that no change of the device's clock moves, where there are such; they may stand still while the device sleeps. */
  steady: () => number
  /** Hands an error on to whoever looks for it. */
  report: (e: unknown) => void
}

