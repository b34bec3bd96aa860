import type { ClientState, Event } from 'bellhop-client'
import { useEffect, useRef } from 'react'
import { summary } from '../conversation/Row'
import { useT } from '../lib/i18n'
import { notify } from '../lib/notify'
import { text } from '../lib/safe'
import { local } from '../lib/store'
import { useClient, useClientState } from '../lib/useClient'
import { listeners } from './listeners'
import { firstToTell } from './oneTab'
import { length, mayPlay, play } from './tone'

const slot = 'bellhop:sound'

/** Short sounds, for who wants them. */
export const sound = {
  on: local.getItem(slot) !== 'off',
  toggle() {
    this.on = !this.on
    local.setItem(slot, this.on ? 'on' : 'off')
    return this.on
  },
  /** Tells of something by a tone: one at a time, in one tab. */
  async play(what: string, pitch: number) {
    if (this.on && mayPlay() && (await firstToTell(`tone of ${what}`)) && (await firstToTell('a tone', 1000 * length))) play(pitch)
  },
}

/** Whether an event is news of somebody else's for who looks at another session, or at another window. */
function news(e: Event, s: ClientState, picked?: string) {
  if (e.event === 'offer') return true
  if (e.event !== 'message' || e.type === 'system' || e.from.id === s.me?.id) return false
  return document.hidden || e.session !== picked
}

type News = Extract<Event, { event: 'message' | 'offer' }>

const named = (e: News) => (e.event === 'offer' ? `offer ${e.session.id} ${text(e.expires)}` : `message ${e.session} ${e.seq}`)

interface Told {
  onPick: (session: string) => void
  t: ReturnType<typeof useT>
}

/** A tone, and to who looks elsewhere a notification: by one tab of all that hear of it. */
async function tell(e: News, { onPick, t }: Told) {
  const what = named(e)
  void sound.play(what, e.event === 'offer' ? 880 : 660)
  if (!(await firstToTell(what)) || !document.hidden) return
  if (e.event === 'offer') notifyOf(e.session.id, t('desk.offer.title'), text(e.note), onPick)
  else notifyOf(e.session, text(e.from.name), summary(e, t), onPick)
}

/** Whoever looks at it has heard of it: no other tab needs to tell. */
function seen(what: string) {
  for (const w of [what, `tone of ${what}`]) void firstToTell(w)
}

/** A notification of the system's, of which there is one for each session. */
export function notifyOf(session: string, title: string, body: string, onPick: (session: string) => void) {
  notify(title, { body, tag: session }, () => {
    window.focus()
    onPick(session)
  })
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
      const { picked } = latest.current
      if (news(e, client.state, picked)) void tell(e as News, latest.current)
      // A new order in the hall is heard, too, by who has room for it.
      else if (e.event === 'queue' && e.added && document.hidden) void sound.play(`order ${e.added.id}`, 520)
      else if (e.event === 'queue' && e.added) seen(`order ${e.added.id}`)
      else if (e.event === 'message') seen(named(e))
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
