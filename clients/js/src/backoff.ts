/**
 * Milliseconds before the next attempt: exponential with full jitter, so that those who were cut off together do not come back
 * together; 30 s at most.
 */
export const backoff = (attempt: number, random = Math.random) => 100 + random() * Math.min(29_900, 400 * 2 ** attempt)

export const sleep = (ms: number) => new Promise<void>((done) => void setTimeout(done, ms))
