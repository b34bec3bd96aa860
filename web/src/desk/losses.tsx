import { App, Button } from 'antd'
import { logOf, type Client, type Event, type Session } from 'bellhop-client'
import { useEffect, useRef } from 'react'
import { useT, type Key, type T } from '../lib/i18n'
import { queueNamesOf } from '../lib/queueNames'
import { fields, text, type Fields } from '../lib/safe'
import { useClient } from '../lib/useClient'
import { agentsOf, type Agent } from './agents'
import { notifyOf } from './alerts'
import { listeners } from './listeners'
import { firstToTell } from './oneTab'
import { serves } from './sessions'

/** A session that one served, and what became of it by somebody else's doing. */
interface Loss {
  session: Session
  /** What the log says of it: a `system` message's body. */
  how: Fields
  /** Who had offered it to somebody, if it was. */
  offeredBy: string
}

/** A phone has no room for what stays until it is closed. */
const narrow = matchMedia('(max-width: 820px)')

const tells = ['transferred', 'requeued', 'ended']

/** Hears of sessions that are no longer one's own. What one did oneself is known: the one who does it gets no event. */
class Losses {
  private served = new Map<string, Session>()
  private said = new Map<string, Fields>()
  private offered = new Map<string, string>()
  /** Those of before a reconnect, of which no event tells. */
  private missed = new Set<string>()

  constructor(
    private client: Client,
    private lost: (l: Loss) => void,
  ) {}

  event = (e: Event) => {
    if (e.event === 'hello') this.missed = new Set(this.served.keys())
    if (e.event !== 'message' || e.type !== 'system') return
    const body = fields(e.body)
    const what = text(body['what'])
    if (what === 'offered') this.offered.set(e.session, text(body['by']))
    if (tells.includes(what)) this.said.set(e.session, body)
  }

  look = () => {
    const { sessions, me } = this.client.state
    if (!me) return
    for (const s of Object.values(sessions)) {
      if (!s.rev) continue // it is being asked for
      const mine = s.state !== 'ended' && serves(s, me.id)
      const before = this.served.get(s.id)
      if (before && !mine) this.gone(before, s, me.id)
      // What was said belongs to the state that follows it.
      if (before?.rev !== s.rev) this.said.delete(s.id)
      if (before?.rev !== s.rev && s.state !== 'transferring') this.offered.delete(s.id)
      if (mine) this.served.set(s.id, s)
      else this.served.delete(s.id)
      this.missed.delete(s.id)
    }
    for (const id of this.served.keys()) if (!sessions[id]) this.served.delete(id)
  }

  private gone(before: Session, s: Session, me: string) {
    const missed = this.missed.has(s.id)
    const last = missed ? logOf(this.client.state, s.id).messages.findLast((m) => m.type === 'system' && tells.includes(text(fields(m.body)['what']))) : undefined
    const how = this.said.get(s.id) ?? fields(last?.body)
    const offeredBy = this.offered.get(s.id) ?? (before.state === 'transferring' && !missed ? me : '')
    if (!missed && !this.said.has(s.id)) return
    if (text(how['by']) === me || (s.state === 'ended' && s.endedBy === me)) return
    this.lost({ session: s, how, offeredBy })
  }
}

interface Words {
  key: Key
  /** Whose name is to be found out. */
  by?: string
  /** One saw it coming: it needs no answer. */
  light?: boolean
}

/** What became of a session, in words. */
function wordsOf({ session: s, how, offeredBy }: Loss, me: string): Words {
  const by = text(how['by'])
  if (s.state === 'ended') {
    if (s.endedBy === s.user.id) return { key: 'desk.lost.ended.user', light: true }
    if (s.reason === 'idle' || s.reason === 'abandoned') return { key: 'desk.lost.ended.idle', light: true }
    return s.endedBy ? { key: 'desk.lost.ended.by', by: text(s.endedBy) } : { key: 'desk.lost.ended' }
  }
  if (s.agent && offeredBy === me) return { key: 'desk.lost.accepted', light: true }
  if (s.agent && by === s.agent.id) return { key: 'desk.lost.taken', by }
  if (s.agent) return offeredBy ? { key: 'desk.lost.given', by: offeredBy } : { key: 'desk.lost.to' }
  if (text(how['reason']) === 'agent-gone') return { key: 'desk.lost.gone' }
  return by ? { key: 'desk.lost.queued', by } : { key: 'desk.lost.waits' }
}

/** A colleague's name; what it is where nobody knows the name. */
async function nameOf(id: string, s: Session, client: Client, t: T) {
  const known = [s.agent, s.target, ...s.assistants].find((p) => p?.id === id)?.name
  if (text(known)) return text(known)
  const { agents } = await client.request<{ agents: Agent[] }>('/agents?limit=200').catch(() => ({ agents: [] }))
  return agentsOf(agents).find((a) => a.id === id)?.name || id || t('desk.supervision')
}

/** Says, wherever the agent is, who has taken a chat of its own, moved it or ended it. The chat itself says so to who looks at it. */
export function useLosses(picked: string | undefined, onPick: (session: string) => void) {
  const t = useT()
  const client = useClient()
  const { notification } = App.useApp()
  const latest = useRef({ picked, onPick, t })
  useEffect(() => {
    latest.current = { picked, onPick, t }
  })
  useEffect(() => {
    const tell = async (l: Loss) => {
      const { session: s } = l
      const { t } = latest.current
      const { key, by, light } = wordsOf(l, client.state.me?.id ?? '')
      const name = by === undefined ? '' : await nameOf(by, s, client, t)
      const queue = await queueNamesOf(client).nameOf(s.queue)
      const { picked, onPick } = latest.current
      const title = t(key, { by: name, user: text(s.user.name) || s.user.id, to: text(s.agent?.name) || text(s.agent?.id), queue })
      if (document.hidden && !light && (await firstToTell(`loss ${s.id} ${s.rev}`))) notifyOf(s.id, title, text(s.subject), onPick)
      if (s.id === picked && !document.hidden) return
      const close = () => notification.destroy(s.id)
      const look = () => {
        close()
        onPick(s.id)
      }
      notification[light ? 'info' : 'warning']({ key: s.id, title: <span dir="auto">{title}</span>, description: text(s.subject) && <span dir="auto">{text(s.subject)}</span>, duration: light ? 6 : narrow.matches ? 12 : 0, role: 'alert', actions: <Button size="small" onClick={look}>{t('desk.lost.look')}</Button> })
    }
    const losses = new Losses(client, (l) => void tell(l))
    losses.look()
    listeners.add(losses.event)
    const stop = client.subscribe(losses.look)
    return () => {
      listeners.delete(losses.event)
      stop()
    }
  }, [client, notification])
}
