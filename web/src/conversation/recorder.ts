/** Why a recording could not be made: not allowed, not possible here, or too short to be meant. */
export class RecorderError extends Error {
  constructor(readonly why: 'denied' | 'unsupported' | 'short') {
    super(why)
  }
}

const kinds = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus']

export interface Recording {
  /** Ends it; rejects with a RecorderError. */
  stop: () => Promise<{ blob: Blob; duration: number }>
  cancel: () => void
}

/** Records from when it resolves: a microphone takes a moment to open. Rejects with a RecorderError. */
export async function record(): Promise<Recording> {
  const type = kinds.find((k) => window.MediaRecorder?.isTypeSupported(k))
  if (!type || !navigator.mediaDevices) throw new RecorderError('unsupported')
  let stream: MediaStream
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  } catch {
    throw new RecorderError('denied')
  }
  const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 32_000 })
  const parts: Blob[] = []
  recorder.ondataavailable = (e) => parts.push(e.data)
  const comes = (event: 'start' | 'stop') => new Promise<number>((done) => recorder.addEventListener(event, () => done(Date.now()), { once: true }))
  const stopped = comes('stop') // by itself, too, where the microphone is gone
  let over = Infinity
  void stopped.then((at) => (over = at))
  const started = comes('start')
  recorder.start()
  const began = await Promise.race([started, stopped])
  const end = () => {
    if (recorder.state !== 'inactive') recorder.stop()
    for (const track of stream.getTracks()) track.stop()
    return stopped
  }
  return {
    stop: async () => {
      const duration = (Math.min(Date.now(), over) - began) / 1000
      await end()
      if (duration < 0.7) throw new RecorderError('short')
      return { blob: new Blob(parts, { type: type.split(';')[0] }), duration: Math.round(duration * 10) / 10 }
    },
    cancel: () => void end(),
  }
}
