import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { useT } from '../lib/i18n'
import { clock } from '../lib/time'
import { record, RecorderError, type Recording } from './recorder'

/** The longest voice message, in seconds, as in WeChat. */
const longest = 60

/** Hold to talk, let go to send, slide up to cancel; with a keyboard, hold the space bar. */
export function VoiceButton({ onVoice, onError }: { onVoice: (blob: Blob, duration: number) => void; onError: (why: RecorderError['why']) => void }) {
  const t = useT()
  const [state, setState] = useState<'idle' | 'recording' | 'cancelling'>('idle')
  const [seconds, setSeconds] = useState<number>() // none while the microphone opens
  const recording = useRef<Promise<Recording>>(undefined)
  const from = useRef(0)

  const finish = (send: boolean) => {
    const r = recording.current
    recording.current = undefined
    setState('idle')
    if (!r) return
    const done = send ? r.then((x) => x.stop()).then(({ blob, duration }) => onVoice(blob, duration)) : r.then((x) => x.cancel())
    done.catch((e: unknown) => {
      if (e instanceof RecorderError) onError(e.why)
    })
  }
  const begin = () => {
    if (recording.current) return
    const r = record()
    recording.current = r
    setState('recording')
    setSeconds(undefined)
    const held = () => recording.current === r
    r.then(() => held() && setSeconds(0), () => held() && finish(true))
  }
  const over = useRef(finish)
  useEffect(() => {
    over.current = finish
  })

  useEffect(() => {
    if (state === 'idle' || seconds === undefined) return
    const began = Date.now()
    const timer = setInterval(() => {
      const s = (Date.now() - began) / 1000
      setSeconds(s)
      if (s >= longest) over.current(true)
    }, 200)
    return () => clearInterval(timer)
  }, [state === 'idle', seconds === undefined]) // eslint-disable-line react-hooks/exhaustive-deps -- one timer for a recording
  useEffect(() => () => over.current(false), [])

  const down = (e: PointerEvent<HTMLButtonElement>) => {
    e.currentTarget.setPointerCapture(e.pointerId)
    from.current = e.clientY
    begin()
  }
  const space = (e: KeyboardEvent, f: () => void) => {
    if (e.key !== ' ' || e.repeat) return
    e.preventDefault()
    f()
  }
  return (
    <>
      <button type="button" className={`bh-hold ${state}`} onPointerDown={down} onPointerMove={(e) => recording.current && setState(from.current - e.clientY > 60 ? 'cancelling' : 'recording')}
        onPointerUp={() => finish(state !== 'cancelling')} onPointerCancel={() => finish(false)} onContextMenu={(e) => e.preventDefault()} onKeyDown={(e) => space(e, begin)} onKeyUp={(e) => space(e, () => finish(true))}>
        {t(state === 'idle' ? 'voice.hold' : state === 'recording' ? 'voice.release' : 'voice.cancelling')}
      </button>
      {state !== 'idle' && (
        <div className={`bh-recording ${state}`} role="status">
          <b>{seconds === undefined ? '…' : clock(seconds)}</b>
          <span>{t(state === 'recording' ? 'voice.slide' : 'voice.cancelling')}</span>
        </div>
      )}
    </>
  )
}
