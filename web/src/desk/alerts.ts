import type { ClientState, Event } from 'bellhop-client'
import { useEffect, useRef } from 'react'
import { summary } from '../conversation/Row'
import { useT } from '../lib/i18n'
import { text } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { listeners } from './listeners'

const slot = 'bellhop:sound'

let context: AudioContext | undefined

/** Short sounds; browsers let them be once one has clicked somewhere. */
export const sound = {
  on: localStorage.getItem(slot) !== 'off',
  toggle() {
    this.on = !this.on
    localStorage.setItem(slot, this.on ? 'on' : 'off')
    return this.on
  },
  play(pitch: number) {
    if (!this.on) return
    context ??= new AudioContext()
    const [tone, volume, now] = [context.createOscillator(), context.createGain(), context.currentTime]
    tone.frequency.value = pitch
    volume.gain.setValueAtTime(0.08, now)
    volume.gain.exponentialRampToValueAtTime(0.001, now + 0.25)
    tone.connect(volume).connect(context.destination)
    tone.start(now)
    tone.stop(now + 0.25)
  },
}

/** Whether an event is news of somebody else's for who looks at another session, or at another window. */
function news(e: Event, s: ClientState, picked?: string) {
  if (e.event === 'offer') return true
  if (e.event !== 'message' || e.type === 'system' || e.from.id === s.me?.id) return false
  return document.hidden || e.session !== picked
}

/** Shows a notification where a page may: phones have the constructor, but only service workers may call it. */
function notify(title: string, more: NotificationOptions) {
  try {
    return new Notification(title, more)
  } catch {
    return undefined
  }
}

/** The title, the icon, sounds and notifications. */
export function useAlerts(picked: string | undefined, onPick: (session: string) => void) {
  const t = useT()
  const client = useClient()
  const unread = useClientState((s) => s.unread)
  const latest = useRef({ picked, onPick, t })
  useEffect(() => {
    latest.current = { picked, onPick, t }
  })
  useEffect(() => {
    document.title = unread ? `(${unread}) ${t('desk.title')}` : t('desk.title')
    favicon(unread)
  }, [unread, t])
  useEffect(() => {
    const listen = (e: Event) => {
      const { picked, onPick, t } = latest.current
      // A new order in the hall is heard, too, by who has room for it.
      if (e.event === 'queue' && e.added && document.hidden) sound.play(520)
      if (!news(e, client.state, picked)) return
      sound.play(e.event === 'offer' ? 880 : 660)
      if (!document.hidden || !('Notification' in window) || Notification.permission !== 'granted') return
      const id = e.event === 'offer' ? e.session.id : (e as { session: string }).session
      const title = e.event === 'offer' ? t('desk.offer.title') : e.event === 'message' ? text(e.from.name) : ''
      const note = notify(title, { body: e.event === 'message' ? summary(e, t) : e.event === 'offer' ? text(e.note) : '', tag: id })
      if (!note) return
      note.onclick = () => {
        window.focus()
        onPick(id)
        note.close()
      }
    }
    listeners.add(listen)
    return () => void listeners.delete(listen)
  }, [client])
}

const plain = document.querySelector<HTMLLinkElement>('link[rel=icon]')?.href

/** The page's icon, with a red dot and the count on it. */
function favicon(count: number) {
  const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  if (!link || !plain) return
  if (!count) {
    link.href = plain
    return
  }
  const image = new Image()
  image.onload = () => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 64
    const c = canvas.getContext('2d')
    if (!c) return
    c.drawImage(image, 0, 0, 64, 64)
    c.fillStyle = '#e02e24'
    c.beginPath()
    c.arc(44, 20, 20, 0, 2 * Math.PI)
    c.fill()
    c.fillStyle = '#fff'
    c.font = 'bold 28px system-ui, sans-serif'
    c.textAlign = 'center'
    c.fillText(count > 9 ? '9+' : String(count), 44, 30)
    link.href = canvas.toDataURL()
  }
  image.src = plain
}
