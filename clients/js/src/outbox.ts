import type { Pending } from './log.js'

/** Where unacknowledged sends outlive a reload. `localStorage` is one. */
export type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

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
    for (let i = 0; i < (this.storage?.length ?? 0); i++) {
      const name = this.storage!.key(i)!
      if (!name.startsWith(this.prefix)) continue
      try {
        left.push(JSON.parse(this.storage!.getItem(name)!) as Pending)
      } catch {
        // Somebody else's.
      }
    }
    return left.sort((a, b) => a.at.localeCompare(b.at))
  }

  put(p: Pending) {
    try {
      this.storage?.setItem(this.prefix + p.key, JSON.stringify(p))
    } catch {
      // Full or forbidden: it is kept in memory.
    }
  }

  remove(key: string) {
    this.storage?.removeItem(this.prefix + key)
  }
}
