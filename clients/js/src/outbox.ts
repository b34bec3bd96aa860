import type { Pending } from './log.js'

/** Where unacknowledged sends outlive a reload. `localStorage` is one. */
export type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/** A storage may be full, or forbidden: what it has no room for is kept in memory. */
function attempt(f: () => void) {
  try {
    f()
  } catch {
    // As said.
  }
}

/**
 * Keeps sends until they are acknowledged: an entry each, so that two tabs of one participant do not overwrite each other's. Both
 * may send what is left of a third one: under the same key it is one message.
 */
export class Outbox {
  private prefix = ''

  constructor(private storage?: Storage) {}

  /** Whose sends they are. Returns those left over, oldest first. */
  of(participant: string): Pending[] {
    this.prefix = `bellhop:send:${participant}:`
    const left: Pending[] = []
    const { storage } = this
    attempt(() => {
      for (let i = 0, n = storage?.length ?? 0; i < n; i++) {
        const name = storage!.key(i)
        if (name?.startsWith(this.prefix)) attempt(() => left.push(JSON.parse(storage!.getItem(name)!) as Pending)) // else somebody else's
      }
    })
    return left.sort((a, b) => (a.at < b.at ? -1 : 1))
  }

  put(p: Pending) {
    attempt(() => this.storage?.setItem(this.prefix + p.key, JSON.stringify(p)))
  }

  remove(key: string) {
    attempt(() => this.storage?.removeItem(this.prefix + key))
  }
}
