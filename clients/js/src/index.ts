import { Client as Anywhere, type Options as Everywhere } from './client.js'
import { web } from './web.js'

export interface Options extends Omit<Everywhere, 'url'> {
  /** The server, such as `https://chat.example` or `https://example.org/support`; in a page, its own origin unless given. */
  url?: string
  /** For a Node without one of its own. */
  WebSocket?: typeof WebSocket
}

/** A client for browsers and Node. */
export class Client extends Anywhere {
  constructor(opt: Options) {
    super({ ...opt, url: opt.url ?? location.origin }, web(opt.WebSocket))
  }
}

export * from './exports.js'
