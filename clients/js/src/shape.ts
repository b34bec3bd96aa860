// Whatever an older server, an old archive or a proxy made of a session or a message, its ids, texts, numbers and people are what
// their types say: who shows them need not look again. Bodies, metas and the like are anybody's, and stay what they are.

type Rule = (x: unknown) => unknown
type Fields = Record<string, unknown>

const text = (x: unknown) => (typeof x === 'string' ? x : '')
const count = (x: unknown) => (Number.isSafeInteger(x) && (x as number) > 0 ? x : 0)
const fields = (x: unknown) => (typeof x === 'object' && x && !Array.isArray(x) ? ({ ...x } as Fields) : null)
const all = (of: Rule) => (x: unknown): unknown[] => (Array.isArray(x) ? x.map(of).filter(Boolean) : [])

/** An object whose fields obey rules; null where it is none. */
const object = (...rules: [names: string, rule: Rule][]) => (x: unknown) => {
  const o = fields(x)
  if (o) for (const [names, rule] of rules) for (const k of names.split(' ')) o[k] = rule(o[k])
  return o
}

const person = object(['id name', text])
const someone = (x: unknown) => person(x) ?? person({})
const session = object(['id queue state subject created', text], ['rev seq priority unread readSeq', count], ['user', someone], ['agent target', person], ['assistants', all(person)])
const message = object(['session mid at type', text], ['seq', count], ['from', someone])

// One without an id, or without a place in a log, is none.
const sessions = (x: unknown) => all(session)(x).filter((s) => (s as Fields)['id'])
const messages = (x: unknown) => all(message)(x).filter((m) => (m as Fields)['seq'])

const one = (x: unknown) => text(x) || sessions([x])[0]
const parts: Record<string, Rule> = { session: one, added: one, sessions, offers: sessions, reset: sessions, waiting: sessions, messages, queues: all(whole) }

/** An event or an answer with its sessions and messages made whole; those that are none are left out. */
export function whole(x: unknown): unknown {
  const o = fields(x)
  if (!o) return x
  for (const k in parts) if (k in o) o[k] = parts[k]!(o[k])
  return o['event'] === 'message' ? messages([o])[0] : o
}
