import type { BellhopError } from './types.js'

/**
 * Milliseconds before the next attempt: exponential with full jitter, so that those who were cut off together do not come back
 * together; 30 s at most.
 */
export const backoff = (attempt: number, random = Math.random) => 100 + random() * Math.min(29_900, 400 * 2 ** attempt)

export const sleep = (ms: number) => new Promise<void>((done) => void setTimeout(done, ms))

/** Asks until it is answered or refused for good, slower and slower, and no sooner than a refusal says; as long as it is still wanted. */
export async function insist<T>(ask: () => Promise<T>, wanted: () => boolean): Promise<T> {
  for (let n = 0; ; n++) {
    try {
      return await ask()
    } catch (e) {
      const { retry, retryAfter = 0 } = e as BellhopError
      if (!retry || !wanted()) throw e
      await sleep(Math.max(backoff(n), retryAfter))
    }
  }
}
