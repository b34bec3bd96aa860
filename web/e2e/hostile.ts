import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fake, session } from '../../clients/js/test/fake.js'

const corpus = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, '../../testdata/hostile', name), 'utf8'))

/** Types and bodies that some archive might hold; the transcripts' test has them, too. */
export const bodies = corpus('bodies.json') as { type: string; body: unknown }[]
export const urls = corpus('urls.json') as { accepted: string[]; refused: string[] }

/** A number generator that gives the same numbers again for the same seed. */
export function random(seed: number) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const words = ['', 'x', 'http://[', 'javascript:alert(1)', 'data:text/html,<b>', '//evil.example', 'https://user:pw@evil.example', 'https://evil.example/x.png', '\ud800', '\u202eevil', '\u200b', '<img src=x onerror=alert(1)>', 'w'.repeat(16_384), 'NaN', 'Infinity',
  '1e999', '0000-00-00T00:00:00Z', '+275760-09-14T00:00:00Z', '-271821-04-19T00:00:00Z', '2026-13-45T99:99:99Z', '2026-01-01T00:00:00.000Z', 'constructor', '__proto__', 'serving', 'ended', 'waiting', 'a state of tomorrow', 'text', 'uma', 'ann', '/api/v1/files/x']
const numbers = [0, -0, 1, -1, 7, 1e308, -1e308, 5e-324, 2 ** 53, -(2 ** 53), 1.5, 4_294_967_296]
const names = ['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', 'length', 'then', '$$typeof', 'key', 'ref', 'props', 'type', 'url', 'name', 'id', 'title', 'text', 'what', 'at', '\ud800', '']

/** Values that a field may have in JSON. */
export class Any {
  constructor(readonly next: () => number) {}

  of = <T>(all: readonly T[]): T => all[Math.floor(this.next() * all.length)]!

  value = (depth = 3): unknown => {
    switch (Math.floor(this.next() * (depth > 0 ? 7 : 5))) {
      case 0: return null
      case 1: return this.next() < 0.5
      case 2: return this.of(numbers)
      case 3:
      case 4: return this.of(words)
      case 5: return Array.from({ length: Math.floor(this.next() * 4) }, () => this.value(depth - 1))
      // As JSON.parse makes it: `__proto__` is a field like any other.
      default: return JSON.parse(`{${Array.from({ length: Math.floor(this.next() * 5) }, () => `${JSON.stringify(this.of(names))}:${JSON.stringify(this.value(depth - 1) ?? null)}`).join(',')}}`) as unknown
    }
  }

  /** An object some of whose fields are anything, or missing; those of `kept` stay. */
  spoilt = <T extends object>(good: T, kept: string[] = [], share = 0.4): T => {
    const o = { ...good } as Record<string, unknown>
    for (const k of Object.keys(o)) {
      if (kept.includes(k) || this.next() > share) continue
      if (this.next() < 0.2) delete o[k]
      else o[k] = this.value()
    }
    return o as T
  }
}

/** A server whose log has hostile messages, and a good one, `good N`, after each few. */
export class Hostile extends Fake {
  private raw: object[] = []
  readonly good: string[] = []

  /** The bodies begin at `from`; after the last of them they are made up. */
  constructor(readonly any: Any, count: number, from = 0) {
    super()
    this.page = 50
    for (let i = 0; i < count; i++) this.hostile(i, from + Math.floor((i * 2) / 3))
  }

  private hostile(i: number, nth: number) {
    const { any } = this
    if (i % 3 === 2) {
      const text = `good ${i}`
      this.good.push(text)
      return void this.append(text)
    }
    const seq = this.append('')
    const from = { id: any.of(['uma', 'ann', 'eve']), role: any.of(['user', 'agent', 'bot']), name: any.of(['', 'Eve', '\u202eEve', '<b>']) }
    const given = bodies[nth] ?? { type: any.of(['text', 'image', 'voice', 'video', 'file', 'card', 'note', 'system', 'x']), body: any.value() }
    const whole = { session, seq, mid: `h${seq}`, at: '2026-01-01T00:00:00.000Z', from, ...given, key: undefined, replyTo: any.of([undefined, 1, seq - 1]), recalled: undefined }
    this.raw[seq] = any.spoilt(whole, any.next() < 0.1 ? [] : ['session', 'seq', ...(bodies[nth] ? ['type', 'body'] : [])])
  }

  override message(seq: number) {
    return (this.raw[seq] ?? super.message(seq)) as ReturnType<Fake['message']>
  }
}
