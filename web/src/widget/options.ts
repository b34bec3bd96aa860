import { fields, parseJSON } from '../lib/safe'
import { warn } from './warn'

/** What a site may say about its widget, in `Bellhop.init({…})` or as `data-…` of the script. */
export interface Options {
  /** The visitor's token, or what gets a fresh one. A function is not called before somebody chats, unless `eager`. */
  token: string | (() => string | Promise<string>)
  /** Who the visitor is to the site: on a page that goes on without being loaded anew, another one gets a chat of their own. */
  user?: string
  queue?: string
  /** `zh` or `en`; the visitor's choice or browser decides unless given. */
  lang?: string
  /** Of the bubble: any CSS colour. */
  color?: string
  position?: 'right' | 'left'
  /** What a new conversation is about. */
  subject?: string
  /** Told to agents with a new conversation. */
  meta?: Record<string, unknown>
  /** Connect even before this visitor has ever opened the chat here, for who chats elsewhere, too. */
  eager?: boolean
  /** The server, where the script does not come from it, with the path under which it is served. */
  server?: string
}

/** Options as attributes of the script: `data-token-url`, `data-token`, `data-user`, `data-queue` …; nothing where there is no token. */
export function attributes(data: Record<string, string | undefined>): Options | undefined {
  const { token, tokenUrl, user, queue, lang, color, subject } = data
  if (!token && !tokenUrl) return undefined
  return {
    token: tokenUrl ? () => fetchToken(tokenUrl) : token!,
    user,
    queue,
    lang,
    color,
    subject,
    position: data['position'] === 'left' ? 'left' : 'right',
    meta: metaOf(data['meta']),
    eager: data['eager'] !== undefined && data['eager'] !== 'false',
  }
}

function metaOf(json: string | undefined) {
  if (!json) return undefined
  const meta = parseJSON(json)
  if (typeof meta !== 'object' || !meta) return void warn('data-meta is not an object in JSON')
  return meta as Record<string, unknown>
}

/** Who the visitor is, as far as that is known without asking: the site says so, or a JWT does. */
export const visitor = (o: Options) => o.user ?? subject(o.token) ?? ''

/** Whether two are of one visitor. What a function will answer is not known: then the site has to say who it is. */
export function sameVisitor(a: Options, b: Options) {
  const opaque = (o: Options) => visitor(o) || (typeof o.token === 'string' ? o.token : '')
  return opaque(a) === opaque(b)
}

function subject(token: Options['token']) {
  if (typeof token !== 'string') return undefined
  try {
    const { sub } = fields(parseJSON(atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/'))))
    return typeof sub === 'string' ? sub : undefined
  } catch {
    return undefined // no JWT
  }
}

/** Asks the site for a token: a POST, answered by `{"token":"…"}` or the token alone. */
export async function fetchToken(url: string) {
  const r = await fetch(url, { method: 'POST', headers: { Accept: 'application/json, text/plain' } })
  const text = await r.text()
  if (!r.ok) throw new Error(`${url}: HTTP ${r.status}`)
  return text.trimStart().startsWith('{') ? tokenOf(url, text) : text.trim()
}

function tokenOf(url: string, json: string) {
  const { token } = fields(parseJSON(json))
  if (typeof token !== 'string' || !token) throw new Error(`${url}: no token in the answer`)
  return token
}

/** Where the server is, without a slash at the end: an origin, and the path under which it is served where it has one. */
export function serverAddress(server: string) {
  const { origin, pathname } = new URL(server)
  return origin + pathname.replace(/(\/widget\.js)?\/*$/, '')
}

/** The address of the chat in the frame, for the site that shows it. No token is in it. */
export function frameAddress(server: string, site: string, o: Options) {
  const hash = new URLSearchParams({ embed: site })
  for (const [name, value] of Object.entries({ queue: o.queue, subject: o.subject, lang: o.lang })) if (value) hash.set(name, value)
  if (o.meta) hash.set('meta', JSON.stringify(o.meta))
  return `${server}/chat#${hash}`
}
