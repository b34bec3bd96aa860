// What others stored, or an older version let them store, may be anything. Here it is looked at once, without throwing.

export type Fields = Record<string, unknown>

/** An object's fields; none where it is no object. */
export const fields = (x: unknown): Fields => (typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Fields) : {})

export const text = (x: unknown): string => (typeof x === 'string' ? x : '')

/** A number that can be counted with; undefined where it is none, or below 0. */
export const count = (x: unknown): number | undefined => (typeof x === 'number' && Number.isFinite(x) && x >= 0 ? x : undefined)

/** The texts of a list, each once; none where it is no list. */
export const texts = (x: unknown): string[] => (Array.isArray(x) ? [...new Set(x.map(text).filter(Boolean))] : [])

/** The objects of a list, as a call answers them; none where it is no list. */
export const rows = <T extends object>(x: readonly T[] | undefined): T[] => (Array.isArray(x) ? (x as unknown[]).filter((r): r is T => typeof r === 'object' && r !== null && !Array.isArray(r)) : [])

/** One of some words; undefined for any other. */
export const oneOf = <T extends string>(x: unknown, of: readonly T[]): T | undefined => of.find((w) => w === x)

export function parseJSON(s: string | null | undefined): unknown {
  try {
    return JSON.parse(s ?? '')
  } catch {
    return undefined
  }
}

export function toJSON(x: unknown, indent = 0): string {
  try {
    return JSON.stringify(x, null, indent) ?? ''
  } catch {
    return '' // too deep
  }
}

function parse(address: unknown, base?: string): URL | undefined {
  if (typeof address !== 'string') return undefined
  try {
    return new URL(address, base)
  } catch {
    return undefined
  }
}

/** An address on the web that may be a link: http or https, and nobody's name and password in it. */
export function webAddress(x: unknown): URL | undefined {
  const u = parse(x)
  return u && /^https?:$/.test(u.protocol) && !u.username && !u.password ? u : undefined
}

/** An address of this page's own origin. */
export function ownAddress(x: unknown): URL | undefined {
  const u = parse(x, location.origin)
  return u?.origin === location.origin ? u : undefined
}

/** A picture that may be loaded: of this origin, or over https; no more is what the page's policy allows. */
export function pictureAddress(x: unknown): string | undefined {
  if (!text(x)) return undefined
  const web = webAddress(x)
  return (web?.protocol === 'https:' ? web : ownAddress(x))?.href
}

/** A piece of a path or of a query. Half a surrogate pair, which has no encoding, is left out. */
export const encoded = (x: unknown): string => encodeURIComponent(text(x).replace(/\p{Surrogate}/gu, ''))

/** A time in ms; undefined where there is none. */
export function timeOf(x: unknown): number | undefined {
  const ms = typeof x === 'string' ? Date.parse(x) : NaN
  return Number.isNaN(ms) ? undefined : ms
}

/** A time of ms in ISO 8601; empty where there is none. */
export function isoTime(ms: number): string {
  const d = new Date(ms)
  return Number.isNaN(d.getTime()) ? '' : d.toISOString()
}

/** As many stars as a rating has. */
export const stars = (score: unknown): string => '★'.repeat(Math.min(5, Math.round(count(score) ?? 0)))
