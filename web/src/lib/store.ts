type Real = () => Storage | null | undefined

/**
 * A browser's storage as it should be. The real one is missing, null or throws where people or their browsers deny it: site data
 * blocked, a frame with third-party cookies blocked, a WebView without DOM storage, a full disk. What it does not take is held in
 * memory, for as long as the page lives. Nothing here throws.
 */
export class Store implements Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'> {
  /** What the real one does not have as it should: values it did not take, null for what it did not let go. */
  private held = new Map<string, string | null>()

  constructor(private real: Real) {}

  getItem(key: string) {
    const held = this.held.get(key)
    return held === undefined ? (this.use((s) => s.getItem(key)) ?? null) : held
  }

  setItem(key: string, value: string) {
    this.put(key, value, (s) => s.setItem(key, value))
  }

  removeItem(key: string) {
    this.put(key, null, (s) => s.removeItem(key))
  }

  /** Whether what is under a key outlives the page. */
  lasts(key: string) {
    return !this.held.has(key) && this.getItem(key) !== null
  }

  get length() {
    return this.keys().length
  }

  key(n: number) {
    return this.keys()[n] ?? null
  }

  private put(key: string, value: string | null, change: (s: Storage) => void) {
    this.use(change)
    // Some take it without a word and have nothing afterwards.
    const stands = this.use((s) => ({ value: s.getItem(key) })) ?? { value: null }
    if (stands.value === value) this.held.delete(key)
    else this.held.set(key, value)
  }

  keys() {
    const all = new Set(this.use((s) => Object.keys(s)))
    for (const [key, value] of this.held) {
      if (value === null) all.delete(key)
      else all.add(key)
    }
    return [...all]
  }

  private use<T>(what: (s: Storage) => T): T | undefined {
    try {
      const s = this.real()
      return s ? what(s) : undefined
    } catch {
      return undefined
    }
  }
}

/** What this browser remembers of the site. */
export const local = new Store(() => localStorage)

/** What this tab remembers, over reloads. */
export const perTab = new Store(() => sessionStorage)
