import { afterEach, describe, expect, it, vi } from 'vitest'
import { local, Store } from './store'

const denied = () => new DOMException('denied', 'SecurityError')

/** A storage as browsers have it: what it holds are its own fields. */
function working(): Storage {
  const methods = {
    getItem(this: Record<string, string>, k: string) {
      return Object.hasOwn(this, k) ? this[k]! : null
    },
    setItem(this: Record<string, string>, k: string, v: string) {
      this[k] = v
    },
    removeItem(this: Record<string, string>, k: string) {
      delete this[k]
    },
  }
  return Object.create(methods) as Storage
}

/** The same, some of whose methods do something else. */
const broken = (methods: Partial<Storage>) => Object.defineProperties(working(), Object.fromEntries(Object.entries(methods).map(([k, value]: [string, unknown]) => [k, { value }])))
const throws = () => {
  throw denied()
}

const kinds: Record<string, () => Storage | null | undefined> = {
  'as it should be': ((s) => () => s)(working()),
  'whose getter throws': throws,
  'that is null': () => null,
  'that is missing': () => undefined,
  'whose methods all throw': () => broken({ getItem: throws, setItem: throws, removeItem: throws }),
  'that is full': ((s) => () => s)(broken({ setItem: throws })),
  'that takes nothing, without a word': ((s) => () => s)(broken({ setItem: () => {} })),
}

for (const [kind, real] of Object.entries(kinds)) {
  it(`holds what it is given, with a storage ${kind}`, () => {
    const s = new Store(real)
    expect(s.getItem('a')).toBeNull()
    s.setItem('a', '1')
    s.setItem('b', '')
    expect([s.getItem('a'), s.getItem('b')]).toEqual(['1', ''])
    expect([s.length, s.key(0), s.key(1), s.key(2)].slice(0, 1)).toEqual([2])
    expect([s.key(0), s.key(1)].toSorted()).toEqual(['a', 'b'])
    expect(s.key(2)).toBeNull()
    s.setItem('a', '2')
    expect(s.getItem('a')).toBe('2')
    expect([s.lasts('a'), s.lasts('never')]).toEqual([kind === 'as it should be', false])
    s.removeItem('a')
    s.removeItem('never')
    expect([s.getItem('a'), s.length, s.key(0)]).toEqual([null, 1, 'b'])
  })
}

describe('a storage that fails meanwhile', () => {
  it('has the newest value, though it holds an older one', () => {
    const real = working()
    const s = new Store(() => real)
    s.setItem('a', 'old')
    Object.defineProperty(real, 'setItem', { value: throws, configurable: true })
    s.setItem('a', 'new')
    expect(s.getItem('a')).toBe('new')
    delete (real as Partial<Storage>).setItem
    s.setItem('a', 'newest')
    expect([s.getItem('a'), real.getItem('a')]).toEqual(['newest', 'newest'])
  })

  it('does not show again what it does not let go: who signs out is out', () => {
    const real = working()
    const s = new Store(() => real)
    s.setItem('token', 'secret')
    Object.defineProperty(real, 'removeItem', { value: throws })
    s.removeItem('token')
    expect(s.getItem('token')).toBeNull()
    expect([...Array(s.length).keys()].map((i) => s.key(i))).not.toContain('token')
  })
})

describe("the page's own", () => {
  afterEach(() => vi.unstubAllGlobals())

  it('looks for the real one each time, and writes to it', () => {
    const real = working()
    vi.stubGlobal('localStorage', real)
    local.setItem('x', '1')
    expect(real.getItem('x')).toBe('1')
    vi.stubGlobal('localStorage', null)
    expect(local.getItem('x')).toBeNull()
    local.setItem('x', '2')
    expect(local.getItem('x')).toBe('2')
  })
})
