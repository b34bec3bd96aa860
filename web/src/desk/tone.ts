/** The page's one way to sound; made by a touch or a key, for before that no browser plays. */
let context: AudioContext | undefined

/** How long a tone is, in seconds. */
export const length = 0.25
let until = 0

function unlock() {
  try {
    context ??= new AudioContext()
    if (context.state !== 'running') void context.resume().catch(() => {}) // the next touch tries again
  } catch {
    // This device has no sound.
  }
}
for (const touch of ['pointerdown', 'pointerup', 'keydown'] as const) addEventListener(touch, unlock, { capture: true, passive: true })

/** Whether a tone would be heard now. A context that is stopped would keep it for later. */
export const mayPlay = () => context?.state === 'running' && context.currentTime >= until

/** Plays one tone, unless it would not be heard now, or another one is. */
export function play(pitch: number) {
  if (!context || !mayPlay()) return
  const [tone, volume, now] = [context.createOscillator(), context.createGain(), context.currentTime]
  until = now + length
  tone.frequency.value = pitch
  volume.gain.setValueAtTime(0.08, now)
  volume.gain.exponentialRampToValueAtTime(0.001, until)
  tone.connect(volume).connect(context.destination)
  tone.start(now)
  tone.stop(until)
}
