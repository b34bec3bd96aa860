/** What a hidden tab leaves to one that is looked at, in ms. */
const courtesy = 150

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))

/**
 * Lets one tab of this browser tell of something: true for the one, which then has the word for so many ms, since others hear of it
 * a little later. A tab that is looked at comes first. Where tabs cannot hear of each other (no secure origin, site data blocked), each tells.
 */
export async function firstToTell(what: string, ms = 5000): Promise<boolean> {
  if (document.hidden) await pause(courtesy)
  return new Promise((told) => {
    const alone = () => told(true)
    try {
      // eslint-disable-next-line no-restricted-properties -- none, or one that is denied: that is caught
      navigator.locks
        .request(`bellhop:told:${what}`, { ifAvailable: true }, async (lock) => {
          told(Boolean(lock))
          if (lock) await pause(ms)
        })
        .catch(alone)
    } catch {
      alone()
    }
  })
}
