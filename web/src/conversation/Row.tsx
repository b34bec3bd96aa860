import { Bubble, Quote, SystemMessage } from '@chatui/core'
import type { Message, MessageType, Pending, Session } from 'bellhop-client'
import { memo, useEffect } from 'react'
import { Icon } from '../lib/icons'
import { useLocale } from '../lib/i18n'
import { queueNamesOf, useQueueName } from '../lib/queueNames'
import { fields, oneOf, text } from '../lib/safe'
import { serverNow } from '../lib/serverTime'
import { chatTime, fullTime } from '../lib/time'
import { useClient } from '../lib/useClient'
import { Preview } from './Asked'
import { Body } from './Body'
import { errorText, uploadText } from './errorText'
import { Face } from './Face'
import type { Item } from './items'
import { Menu, type MenuItem } from './Menu'
import { systemText } from './systemText'
import type { Upload } from './uploads'

/** What a row needs of the conversation around it; stays the same object while nothing of it changes. */
export interface RowContext {
  me: string
  myName: string
  staff: boolean
  avatar: (id: string) => string | undefined
  /** Up to which seq others have read. */
  seen: number
  /** The last of one's own messages, which says whether it was read. */
  lastOwn: number
  find: (seq: number) => Message | undefined
  onReply?: (m: Message) => void
  onRecall?: (m: Message) => void
  onJump: (seq: number) => void
  onRetry: (p: Pending) => void
  onDiscard: (p: Pending) => void
  onRetryUpload: (u: Upload) => void
  onDiscardUpload: (u: Upload) => void
}

export const Row = memo(function Row({ item, ctx }: { item: Item; ctx: RowContext }) {
  const { language } = useLocale()
  switch (item.kind) {
    case 'time':
      return (
        <div className="bh-time">
          <time dateTime={item.at}>{chatTime(item.at, language)}</time>
        </div>
      )
    case 'subject':
      return <SubjectRow session={item.session} staff={ctx.staff} />
    case 'message':
      return <MessageRow m={item.message} ctx={ctx} />
    case 'pending':
      return <PendingRow p={item.pending} ctx={ctx} />
    case 'upload':
      return <UploadRow u={item.upload} ctx={ctx} />
  }
})

const types: readonly MessageType[] = ['text', 'image', 'voice', 'video', 'file', 'note', 'system']

/** A type as this page knows it: what a newer server, or nobody, knows is shown as a card. */
const typeOf = (type: string) => oneOf(type, types) ?? 'card'

function MessageRow({ m, ctx }: { m: Message; ctx: RowContext }) {
  const { t, language } = useLocale()
  const own = m.from.id === ctx.me && (m.from.role !== 'user') === ctx.staff
  if (m.recalled) return <SystemMessage content={own ? t('recalled.own') : t('recalled.by', { name: m.from.name || m.from.id })} />
  if (m.type === 'system') return <SystemRow m={m} staff={ctx.staff} />
  const name = m.from.name || (m.from.role === 'bot' ? t('host') : m.from.id)
  return (
    <article className={`bh-row ${own ? 'own' : 'other'} ${typeOf(m.type)}`} aria-label={t('message.by', { name, time: fullTime(m.at, language) })}>
      <Face name={name} src={ctx.avatar(m.from.id)} />
      <div className="bh-what">
        {!own && <div className="bh-name">{name}{m.type === 'note' && <i> · {t('note')}</i>}</div>}
        <div className="bh-line">
          <Bubble type={m.type === 'note' ? 'text' : typeOf(m.type)}>
            {m.replyTo ? <Quoted m={ctx.find(m.replyTo)} onJump={() => ctx.onJump(m.replyTo!)} /> : null}
            <Body type={m.type} body={m.body} />
          </Bubble>
          <Actions m={m} own={own} ctx={ctx} />
        </div>
        {own && m.seq === ctx.lastOwn && m.type !== 'note' && <div className="bh-seen">{t(ctx.seen >= m.seq ? 'read' : 'delivered')}</div>}
      </div>
    </article>
  )
}

function SystemRow({ m, staff }: { m: Message; staff: boolean }) {
  const { t, language } = useLocale()
  const names = queueNamesOf(useClient())
  const queueName = useQueueName()
  const queue = text(fields(m.body)['queue'])
  useEffect(() => {
    if (queue) names.want(queue)
  }, [names, queue])
  const words = systemText(m, t, language, staff, queueName)
  return words ? <SystemMessage content={words} /> : <div className="bh-nothing" />
}

/** What the user came with: the first thing it said. */
function SubjectRow({ session: s, staff }: { session: Session; staff: boolean }) {
  const { t, language } = useLocale()
  const name = s.user.name || s.user.id
  return (
    <article className={`bh-row ${staff ? 'other' : 'own'} text`} aria-label={t('message.by', { name, time: fullTime(s.created, language) })}>
      <Face name={name} src={s.user.avatar} />
      <div className="bh-what">
        {staff && <div className="bh-name">{name}</div>}
        <div className="bh-line">
          <Bubble type="text"><Body type="text" body={s.subject} /></Bubble>
        </div>
      </div>
    </article>
  )
}

function Quoted({ m, onJump }: { m?: Message; onJump: () => void }) {
  const { t } = useLocale()
  if (!m) return <Quote className="bh-quote">{t('quote.older')}</Quote>
  return (
    <Quote className="bh-quote" author={m.from.name || m.from.id}>
      <button type="button" onClick={onJump} dir="auto">
        {summary(m, t)}
      </button>
    </Quote>
  )
}

/** A message in one line. */
export function summary(m: Pick<Message, 'type' | 'body' | 'recalled'>, t: ReturnType<typeof useLocale>['t']): string {
  if (m.recalled) return t('recalled')
  if (m.type === 'text' || m.type === 'note') return typeof m.body === 'string' ? m.body.slice(0, 200) : ''
  return m.type === 'system' ? '' : `[${t(typeOf(m.type) as 'card')}]`
}

const recallWithin = 2 * 60_000

function Actions({ m, own, ctx }: { m: Message; own: boolean; ctx: RowContext }) {
  const { t } = useLocale()
  const text = typeof m.body === 'string' ? m.body : undefined
  if (!text && !ctx.onReply) return null
  const items = () => {
    const all: MenuItem[] = []
    if (ctx.onReply) all.push({ icon: 'reply', label: t('reply'), act: () => ctx.onReply?.(m) })
    if (text) all.push({ icon: 'copy', label: t('copy'), act: () => void navigator.clipboard?.writeText(text) })
    if (own && ctx.onRecall && serverNow() - Date.parse(m.at) < recallWithin) all.push({ icon: 'undo', label: t('recall'), act: () => ctx.onRecall?.(m) })
    return all
  }
  return <Menu className="bh-actions" label={t('message.actions')} items={items} />
}

function PendingRow({ p, ctx }: { p: Pending; ctx: RowContext }) {
  const { t } = useLocale()
  return (
    <article className={`bh-row own ${typeOf(p.type)}`}>
      <Face name={ctx.myName} src={ctx.avatar(ctx.me)} />
      <div className="bh-what">
        <div className="bh-line">
          <Bubble type={p.type === 'note' ? 'text' : typeOf(p.type)}>
            {p.replyTo ? <Quoted m={ctx.find(p.replyTo)} onJump={() => ctx.onJump(p.replyTo!)} /> : null}
            <Body type={p.type} body={p.body} />
          </Bubble>
          {p.state === 'sending' ? (
            <span className="bh-spinner" role="status" aria-label={t('sending')} />
          ) : (
            <Failed why={errorText(p.error, t)} onRetry={() => ctx.onRetry(p)} onDiscard={() => ctx.onDiscard(p)} />
          )}
        </div>
      </div>
    </article>
  )
}

function UploadRow({ u, ctx }: { u: Upload; ctx: RowContext }) {
  const { t } = useLocale()
  return (
    <article className={`bh-row own ${u.type}`}>
      <Face name={ctx.myName} src={ctx.avatar(ctx.me)} />
      <div className="bh-what">
        <div className="bh-line">
          <Bubble type={u.type}>
            <Preview u={u} />
            {!u.error && <progress max={1} value={u.done} aria-label={t('uploading', { name: u.name })} />}
          </Bubble>
          {u.error ? (
            <Failed why={uploadText(u, t)} onRetry={() => ctx.onRetryUpload(u)} onDiscard={() => ctx.onDiscardUpload(u)} />
          ) : (
            <button type="button" className="bh-icon" aria-label={t('cancel')} onClick={() => ctx.onDiscardUpload(u)}><Icon name="close" size={18} /></button>
          )}
        </div>
      </div>
    </article>
  )
}

function Failed({ why, onRetry, onDiscard }: { why: string; onRetry: () => void; onDiscard: () => void }) {
  const { t } = useLocale()
  return (
    <span className="bh-failed">
      <span role="alert">{why}</span>
      <button type="button" onClick={onRetry}>{t('retry')}</button>
      <button type="button" onClick={onDiscard}>{t('discard')}</button>
    </span>
  )
}
