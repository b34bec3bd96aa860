import { expect, it } from 'vitest'
import { backoff } from '../src/backoff.js'
import { advance, empty, merge, recall } from '../src/log.js'
import { initial, reduce, withSession } from '../src/state.js'
import type { Message, Session } from '../src/types.js'

const m = (seq: number, more: Partial<Message> = {}): Message => ({ session: 's', seq, mid: `m${seq}`, at: '', from: { id: 'a', role: 'agent', name: '' }, type: 'text', body: `t${seq}`, ...more })
const s = (id: string, more: Partial<Session> = {}): Session => ({ id, queue: 'q', state: 'waiting', rev: 1, seq: 1, user: { id: 'u', name: '' }, agent: null, assistants: [], target: null, subject: '', meta: {}, priority: 0,
  created: '2026-01-01T00:00:00.000Z', grabbed: null, ended: null, endedBy: '', reason: '', rating: null, unread: 0, readSeq: 0, ...more })
const seqs = (l: typeof empty) => l.messages.map((x) => x.seq)

it('waits longer and longer, with jitter, never over 30 s', () => {
  expect(backoff(0, () => 0)).toBe(100)
  expect(backoff(0, () => 1)).toBe(500)
  expect(backoff(3, () => 1)).toBe(3300)
  expect(backoff(50, () => 1)).toBe(30_000)
  const some = new Set(Array.from({ length: 20 }, () => backoff(5)))
  expect(some.size).toBeGreaterThan(10)
})

it('merges in any order, each seq once', () => {
  expect(seqs(merge(empty, [m(1), m(2)]))).toEqual([1, 2])
  expect(seqs(merge(merge(empty, [m(5), m(6)]), [m(3), m(4), m(5)]))).toEqual([3, 4, 5, 6])
  expect(seqs(merge(merge(empty, [m(1), m(4)]), [m(2)]))).toEqual([1, 2, 4])
})

it('keeps a recalled message recalled', () => {
  const l = recall(merge(empty, [m(1)]), 1)
  expect(merge(l, [m(1)]).messages[0]).toMatchObject({ recalled: true, body: undefined })
})

it('lets a message of one of its keys settle the send', () => {
  const pending = { key: 'k', session: 's', type: 'text', body: 'x', at: '', state: 'sending' } as const
  expect(merge({ ...empty, pending: [pending] }, [m(1, { key: 'k' })]).pending).toEqual([])
})

it('moves the cursor forward only', () => {
  expect(advance(advance(empty, m(3)), m(2)).cursor).toEqual({ seq: 3, mid: 'm3' })
})

it('takes no older state of a session for a newer one', () => {
  const now = withSession(initial, s('a', { rev: 3, state: 'serving' }))
  expect(withSession(now, s('a', { rev: 2 }))).toBe(now)
  expect(withSession(now, s('a', { rev: 4, seq: 0 })).sessions['a']).toMatchObject({ rev: 4, seq: 1 })
})

it('counts what is unread where one takes part, and nowhere else', () => {
  const me = { ...initial, me: { id: 'ann', name: '', role: 'agent' as const } }
  const own = s('a', { agent: { id: 'ann', name: '' }, unread: 2 })
  const state = [own, s('b', { agent: { id: 'bea', name: '' }, unread: 7 })].reduce(withSession, me)
  expect(state.unread).toBe(2)
  const more = reduce(state, { event: 'unread', session: 'a', unread: 3, total: 3 })
  expect(more.unread).toBe(3)
  expect(reduce(more, { event: 'session', session: { ...own, rev: 2, unread: 3, agent: { id: 'bea', name: '' } } }).unread).toBe(0)
})

it('keeps a queue in its order: a level of priority is worth ten minutes', () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString()
  const added = [s('a', { created: at(0) }), s('b', { created: at(5) }), s('c', { created: at(9), priority: 1 }), s('d', { created: at(12), priority: 1 })]
  const state = added.reduce((st, x, i) => reduce(st, { event: 'queue', queue: 'q', size: i + 1, added: x }), initial)
  expect(state.queues['q']!.waiting.map((x) => x.id)).toEqual(['c', 'a', 'd', 'b'])
  expect(reduce(state, { event: 'queue', queue: 'q', size: 3, removed: 'a', by: 'z' }).queues['q']!.waiting.map((x) => x.id)).toEqual(['c', 'd', 'b'])
  expect(reduce(state, { event: 'queue', queue: 'q', size: 1, reset: [added[1]!] }).queues['q']!.waiting.map((x) => x.id)).toEqual(['b'])
})
