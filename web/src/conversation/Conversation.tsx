import { BellhopError, logOf, type Me, type Message, type Session } from 'bellhop-client'
import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { Guard } from '../lib/Guard'
import { useT } from '../lib/i18n'
import { count, text as written } from '../lib/safe'
import { useClient, useClientState } from '../lib/useClient'
import { Composer } from './Composer'
import { useDraft } from './drafts'
import { items } from './items'
import { MessageList } from './MessageList'
import { type RowContext } from './Row'
import { errorText } from './errorText'
import { filesIn, useTransfer } from './transfer'
import { mostAsked, uploadsOf, useUploads } from './uploads'

interface Props {
  session: Session
  staff: boolean
  /** Why one cannot write; undefined where one can. */
  closed?: ReactNode
  tools?: ReactNode
  /** Sees keys before the composer does; true when it has used one. */
  onKey?: (e: KeyboardEvent<HTMLTextAreaElement>, text: string, setText: (s: string) => void) => boolean
  /** What is written is a note. */
  note?: boolean
  placeholder?: string
  /** Above the composer. */
  above?: (text: string, setText: (s: string) => void) => ReactNode
  /** Whoever looks unseen does not mark what it reads. */
  unseen?: boolean
}

/** One session's messages and, where one may write, the composer. */
export function Conversation({ session, staff, closed, tools, onKey, note, placeholder, above, unseen }: Props) {
  const t = useT()
  const client = useClient()
  const { id } = session
  const log = useClientState((s) => logOf(s, id))
  const me = useClientState((s) => s.me)
  const marks = useClientState((s) => s.marks[id])
  const online = useClientState((s) => s.status === 'online')
  const uploads = useUploads(client, id)
  const [text, setText] = useDraft(id, Boolean(note))
  const [picked, setReply] = useState<Message>()
  // One that is not in the log any more cannot be answered.
  const reply = picked && inLog(log.messages, picked) ? picked : undefined
  const [jump, setJump] = useState<{ seq: number }>()
  const [loading, setLoading] = useState(false)
  const [error, setError] = useState('')
  const root = useRef<HTMLDivElement>(null)

  useEffect(() => {
    if (online) client.load(id).catch(() => {}) // the page says that there is no connection
  }, [client, id, online])
  useEffect(() => {
    if (!error) return
    const timer = setTimeout(() => setError(''), 4000)
    return () => clearTimeout(timer)
  }, [error])

  const older = useCallback(() => {
    setLoading(true)
    void client.loadOlder(id).catch(() => {}).then(() => setLoading(false))
  }, [client, id])
  const seen = useCallback(() => {
    if (!unseen) client.read(id)
  }, [client, id, unseen])
  const files = (list: File[]) => {
    for (const f of list) uploadsOf(client).add(id, f, f.name || 'file')
  }
  const ask = (list: File[]) => {
    // Not `every`: the first that is one too many ends it.
    if (list.some((f) => !uploadsOf(client).ask(id, f, f.name || 'file'))) setError(t('asked.most', { n: mostAsked }))
  }
  const folders = (list: FileSystemDirectoryEntry[]) =>
    filesIn(list, mostAsked + 1).then((f) => (f.length ? ask(f) : setError(t('asked.empty'))), () => setError(errorText('unreadable', t)))
  const place = useRef<(s: string) => void>(null)
  useTransfer(root, closed ? undefined : {
    onFiles: (list, dirs) => {
      ask(list)
      if (dirs.length) void folders(dirs)
    },
    onText: (s) => place.current?.(s),
  })

  const { subject } = session
  // eslint-disable-next-line react-hooks/exhaustive-deps -- of the session only what the first bubble shows
  const all = useMemo(() => items(log, uploads.sent, session), [log, uploads.sent, id, subject])
  const ctx = useRowContext(session, log.messages, marks, staff, me, {
    onReply: closed ? undefined : setReply,
    onRecall: closed ? undefined : (m) => void client.recall(id, m.seq).catch((e: BellhopError) => setError(errorText(e.code, t))),
    onJump: (seq) => setJump({ seq }),
  })
  const send = (words: string) => {
    void client.send(id, words, { type: note ? 'note' : 'text', replyTo: reply?.seq })
    setText('')
    setReply(undefined)
  }
  const write = (s: string) => {
    setText(s)
    if (s && !note) client.typing(id, staff ? '' : s.slice(0, 300))
  }
  return (
    <div className="bh-conversation" ref={root}>
      {log.loaded ? (
        <Guard of={all} name={`the messages of ${id}`}><MessageList key={id} items={all} ctx={ctx} more={log.more} loading={loading} onOlder={older} onBottom={seen} jump={jump} /></Guard>
      ) : (
        <div className="bh-list bh-loading"><span className="bh-spinner" role="status" aria-label={t('loading')} /></div>
      )}
      <Guard of={session} name={`who types in ${id}`}><Typing session={session} /></Guard>
      {error && <div className="bh-error" role="alert">{error}</div>}
      {above?.(text, setText)}
      {closed ?? (
        <Composer text={text} onText={write} onSend={send} onFiles={files} onVoice={(blob, duration) => uploadsOf(client).add(id, blob, `voice.${blob.type.split('/')[1]}`, duration)} reply={reply} onCancelReply={() => setReply(undefined)}
          asked={uploads.asked} onSendAsked={() => uploadsOf(client).send(id)} onRemoveAsked={(some) => some.forEach((u) => uploadsOf(client).remove(u))} place={place}
          tools={tools} note={note} placeholder={placeholder} onKey={(e) => onKey?.(e, text, setText) ?? false} onError={(why) => setError(t(why))} />
      )}
    </div>
  )
}

/** Whether a message is the log's still, as far as what is held of it tells. */
function inLog(messages: readonly Message[], m: Message) {
  const held = messages.find((h) => h.seq === m.seq)
  return held ? held.mid === m.mid : m.seq < (messages[0]?.seq ?? 0)
}

/** Everything about the conversation that rows show, made anew only when something of it changes. */
function useRowContext(session: Session, messages: readonly Message[], marks: Record<string, number> | undefined, staff: boolean, self: Me | undefined, on: Pick<RowContext, 'onReply' | 'onRecall' | 'onJump'>): RowContext {
  const client = useClient()
  const me = self?.id ?? ''
  const myName = self?.name || me
  const latest = useRef(on)
  const held = useRef(messages)
  useEffect(() => {
    latest.current = on
    held.current = messages
  })
  const { user, agent, assistants } = session
  const may = Boolean(on.onReply)
  const own = useMemo(() => messages.findLast((m) => m.from.id === me && m.type !== 'system' && !m.recalled)?.seq ?? 0, [messages, me])
  // Whoever answers has read what was before.
  const answered = useMemo(() => messages.findLast((m) => m.from.id !== me && (staff ? m.from.role === 'user' : ['agent', 'supervisor', 'bot'].includes(m.from.role)))?.seq ?? 0, [messages, me, staff])
  const seen = Math.max(answered, ...Object.entries(marks ?? {}).filter(([who]) => who !== me && (!staff || who === user.id)).map(([, seq]) => count(seq) ?? 0), 0)
  return useMemo(() => {
    const uploads = uploadsOf(client)
    return {
      me, myName, staff, seen, lastOwn: own,
      avatar: (id) => [user, agent, ...assistants].find((p) => p?.id === id)?.avatar,
      find: (seq) => held.current.find((m) => m.seq === seq),
      onReply: may ? (m) => latest.current.onReply?.(m) : undefined,
      onRecall: may ? (m) => latest.current.onRecall?.(m) : undefined,
      onJump: (seq) => latest.current.onJump(seq),
      onRetry: (p) => client.retry(p),
      onDiscard: (p) => client.discard(p),
      onRetryUpload: (u) => uploads.retry(u),
      onDiscardUpload: (u) => uploads.remove(u),
    }
  }, [client, me, myName, staff, seen, own, user, agent, assistants, may])
}

/** Who types, and to agents what a user has written so far. */
function Typing({ session }: { session: Session }) {
  const t = useT()
  const typing = useClientState((s) => (s.status === 'online' ? s.typing[session.id] : undefined))
  const [now, setNow] = useState(0)
  useEffect(() => {
    if (!typing) return
    const timer = setTimeout(() => setNow(typing.until), Math.max(0, typing.until - Date.now()))
    return () => clearTimeout(timer)
  }, [typing])
  const who = typing && [session.user, session.agent, ...session.assistants].find((p) => p?.id === typing.by)
  if (!who || now >= typing.until || session.state === 'ended') return null
  return (
    <div className="bh-typing" role="status">
      {t('typing', { name: who.name || written(typing.by) })} {written(typing.text) && <q dir="auto">{written(typing.text)}</q>}
    </div>
  )
}
