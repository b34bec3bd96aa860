/** Milliseconds that no change of the device's clock moves, where there are such; they may stand still while the device sleeps. */
const steady = () => globalThis.performance?.now() ?? Date.now()

const unknown = { offset: 0, error: Infinity, skew: 0 }

/**
 * The server's clock, as told by answers to `ping`: an answer of a round trip of so many ms is right to half of that, so the quickest
 * holds until another contradicts it.
 */
export class Clock {
  private held = unknown
  private asked = -Infinity

  /** `ask` sends a ping; `changed` hears of a step of more than half a second. */
  constructor(
    private ask: () => void,
    private changed: () => void,
  ) {}

  /** Ms of the epoch; by the device's clock until the server told its own. */
  now = () => {
    const { offset, error, skew } = this.held
    if (error === Infinity) return Date.now()
    // The device slept, or its clock was set: only the server knows.
    if (Math.abs(Date.now() - steady() - skew) > 1000) this.doubt()
    return steady() + offset
  }

  /** Call when asking; with the answer, what it returns. */
  begin() {
    const sent = (this.asked = steady())
    return (at: unknown) => {
      const error = (steady() - sent) / 2
      const offset = Date.parse(String(at)) - error - sent
      const off = Math.abs(offset - this.held.offset)
      const skew = Date.now() - steady()
      // NaN where it told no time.
      if (off <= error + this.held.error && error >= this.held.error) this.held = { ...this.held, skew }
      else if (off >= 0) {
        const before = this.now()
        this.held = { offset, error, skew }
        if (Math.abs(this.now() - before) > 500) this.changed()
      }
    }
  }

  /** Something was written at a time, just now: far from what this clock says, it must be asked again. */
  seen(at: string) {
    if (Math.abs(Date.parse(at) - this.now()) > 2000) this.doubt()
  }

  private doubt() {
    if (steady() - this.asked > 5000) this.ask()
  }
}
