import { App, Badge, Button, Dropdown, Select, Tooltip } from 'antd'
import type { BellhopError, Presence, Role, Status } from 'bellhop-client'
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Face } from '../conversation/Face'
import { errorText } from '../conversation/errorText'
import { Icon, type IconName } from '../lib/icons'
import { Guard } from '../lib/Guard'
import { useLocale, useT } from '../lib/i18n'
import { ask, mayAsk } from '../lib/notify'
import { count, encoded, oneOf } from '../lib/safe'
import { toggleTheme } from '../lib/theme'
import { useClient, useClientState } from '../lib/useClient'
import { sound } from './alerts'
import { statuses } from './sessions'

const views = ['hall', 'sessions', 'live', 'stats', 'all', 'search', 'settings'] as const
export type View = (typeof views)[number]

export const viewsOf = (role?: Role): readonly View[] => (role === 'supervisor' ? views : views.slice(0, 2))

const icons: Record<View, IconName> = { hall: 'bell', sessions: 'chat', live: 'pulse', stats: 'chart', all: 'list', search: 'search', settings: 'gear' }

/** Who one is, whether one takes sessions, and where one may go. */
export function Rail({ view, onView, onSignOut }: { view: View; onView: (v: View) => void; onSignOut: () => void }) {
  const t = useT()
  const me = useClientState((s) => s.me)
  const unread = useClientState((s) => s.unread)
  const waiting = useClientState((s) => Object.values(s.queues).reduce((n, q) => n + (count(q.size) ?? 0), 0))
  return (
    <nav className="desk-rail" aria-label={t('desk.title')}>
      <Guard name="who one is"><Me /></Guard>
      <ul>
        {viewsOf(me?.role).map((v, i) => (
          <li key={v}>
            <Tooltip title={matchMedia('(hover: hover)').matches ? `Alt+${i + 1}` : ''} placement="right">
              <button type="button" aria-current={view === v ? 'page' : undefined} onClick={() => onView(v)}>
                <Badge count={v === 'sessions' ? unread : v === 'hall' ? waiting : 0} size="small" overflowCount={999} color={v === 'hall' ? 'orange' : undefined}>
                  <Icon name={icons[v]} size={22} />
                </Badge>
                <span>{t(`desk.view.${v}`)}</span>
              </button>
            </Tooltip>
          </li>
        ))}
      </ul>
      <Tools onSignOut={onSignOut} />
    </nav>
  )
}

const narrow = matchMedia('(max-width: 820px)')
const useNarrow = () => useSyncExternalStore((f) => (narrow.addEventListener('change', f), () => narrow.removeEventListener('change', f)), () => narrow.matches)

/** What one sets for oneself, and the way out; on a phone, which has no room for all of it, behind a button. */
function Tools({ onSignOut }: { onSignOut: () => void }) {
  const { t, language, setLanguage } = useLocale()
  const me = useClientState((s) => s.me)
  const [loud, setLoud] = useState(sound.on)
  const small = useNarrow()
  const other = language === 'zh' ? 'en' : 'zh'
  return (
    <div className="desk-rail-tools">
      <button type="button" className="bh-icon" aria-pressed={loud} aria-label={t('desk.sound')} title={t('desk.sound')} onClick={() => setLoud(sound.toggle())}><Icon name={loud ? 'sound' : 'silent'} size={20} /></button>
      {mayAsk() && (
        <button type="button" className="bh-icon" aria-label={t('desk.notify')} title={t('desk.notify')} onClick={ask}><Icon name="bell" size={20} /></button>
      )}
      {small ? (
        <Dropdown trigger={['click']} menu={{ items: [
          { key: 'theme', label: t('theme'), onClick: toggleTheme },
          { key: 'language', label: <span lang={other}>{t('language')}</span>, onClick: () => setLanguage(other) },
          { key: 'out', danger: true, label: t('desk.sign-out'), onClick: onSignOut },
        ] }}>
          <button type="button" className="bh-icon" aria-label={t('desk.tools')}><Icon name="more" size={20} /></button>
        </Dropdown>
      ) : (
        <>
          <button type="button" className="bh-icon" aria-label={t('theme')} title={t('theme')} onClick={toggleTheme}><Icon name="moon" size={20} /></button>
          <button type="button" className="bh-icon" lang={other} aria-label={t('language')} title={t('language')} onClick={() => setLanguage(other)}><Icon name="globe" size={20} /></button>
          <Button type="text" size="small" title={me?.name} onClick={onSignOut}>{t('desk.sign-out')}</Button>
        </>
      )}
    </div>
  )
}

/** One's own status and load. The server alone knows the status: it is chosen once, and stays over reloads and devices. */
function useOwn() {
  const client = useClient()
  const id = useClientState((s) => s.me?.id)
  const online = useClientState((s) => s.status === 'online')
  const heard = useClientState((s) => (id ? s.agents[id] : undefined))
  // What a command or a look answered holds until an event says otherwise.
  const [answer, setAnswer] = useState<{ own: Omit<Presence, 'agent'>; before?: Presence }>()
  const asked = useRef(0)
  const take = useCallback(
    (what: Promise<Omit<Presence, 'agent'>>) => {
      const before = id ? client.state.agents[id] : undefined
      const mine = ++asked.current
      // An answer that comes after that of a later question is of before.
      return what.then((own) => {
        if (mine === asked.current) setAnswer({ own, before })
      })
    },
    [client, id],
  )
  // Events of before, and of while one was away, do not tell.
  useEffect(() => {
    if (online && id) take(client.request<Presence>(`/agents/${encoded(id)}`)).catch(() => {}) // an event will tell
  }, [client, id, online, take])
  return { own: answer && answer.before === heard ? answer.own : heard, take }
}

function Me() {
  const { t } = useLocale()
  const client = useClient()
  const { message } = App.useApp()
  const me = useClientState((s) => s.me)
  const { own, take } = useOwn()
  if (!me) return <div className="desk-me"><span className="bh-spinner" /></div>
  const status = oneOf(own?.status, statuses)
  const set = (s: Status) => take(client.setStatus(s)).catch((e: BellhopError) => message.error(errorText(e.code, t)))
  return (
    <div className="desk-me">
      <Badge dot status={status === 'online' ? 'success' : status === 'away' ? 'warning' : 'default'} offset={[-4, 36]}>
        <Face name={me.name || me.id} src={me.avatar} />
      </Badge>
      <b title={me.id}>{me.name || me.id}</b>
      <Select<Status> size="small" value={status} loading={!status} placeholder="…" aria-label={t('desk.status')} onChange={(s) => void set(s)} popupMatchSelectWidth={false}
        options={statuses.map((value) => ({ value, label: t(`desk.status.${value}`) }))} />
      {own && <small>{t('desk.load', { load: count(own.load) ?? 0, capacity: count(own.capacity) ?? 0 })}</small>}
    </div>
  )
}
