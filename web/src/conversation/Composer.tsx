import type { Message } from 'bellhop-client'
import { useCallback, useEffect, useImperativeHandle, useRef, useState, type KeyboardEvent, type ReactNode, type Ref } from 'react'
import { Icon } from '../lib/icons'
import { useT, type Key } from '../lib/i18n'
import { Asked } from './Asked'
import { emoji } from './emoji'
import { summary } from './Row'
import type { Upload } from './uploads'
import { VoiceButton } from './VoiceButton'

interface Props {
  text: string
  onText: (text: string) => void
  onSend: (text: string) => void
  onFiles: (files: File[]) => void
  onVoice: (blob: Blob, duration: number) => void
  /** What was pasted or dropped and is not sent yet. */
  asked: readonly Upload[]
  onSendAsked: () => void
  onRemoveAsked: (all: readonly Upload[]) => void
  reply?: Message
  onCancelReply: () => void
  /** Further tools, beside the emoji. */
  tools?: ReactNode
  /** Sees keys first; true when it has used one. */
  onKey?: (e: KeyboardEvent<HTMLTextAreaElement>) => boolean
  /** Where to put what writes text into the field, at its cursor. */
  place: Ref<(text: string) => void>
  onError: (why: Key) => void
  placeholder?: string
  note?: boolean
}

/** More than the wire takes is refused here already. */
const longest = 16_384

/** For so many ms after a send its button stays in its place: the second click of two is not meant for what comes there. */
const settle = 700

/** Where one writes: Enter sends, Shift+Enter breaks the line; on a phone there is a button. */
export function Composer({ text, onText, onSend, onFiles, onVoice, asked, onSendAsked, onRemoveAsked, reply, onCancelReply, tools, onKey, place, onError, placeholder, note }: Props) {
  const t = useT()
  const area = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const [speaking, setSpeaking] = useState(false)
  const [panel, setPanel] = useState(false)
  const [settling, settleAgain] = useSettling()

  useEffect(() => {
    const el = area.current
    if (!el) return
    el.style.height = 'auto'
    el.style.height = `${Math.min(el.scrollHeight, 132)}px`
  }, [text, speaking])
  useEffect(() => {
    if (reply) area.current?.focus()
  }, [reply])

  const send = () => {
    const words = text.trim()
    if (new TextEncoder().encode(words).length > longest) return onError('error.too_long')
    if (asked.length) onSendAsked()
    if (words) onSend(words)
    area.current?.focus()
  }
  const key = (e: KeyboardEvent<HTMLTextAreaElement>) => {
    if (onKey?.(e)) return
    if (e.key === 'Escape' && (asked.length || reply)) {
      e.preventDefault()
      if (asked.length) onRemoveAsked(asked)
      else onCancelReply()
    }
    if (e.key !== 'Enter' || e.shiftKey || e.altKey) return
    e.preventDefault()
    send()
  }
  const insert = (s: string) => {
    const el = area.current
    const at = el?.selectionStart ?? text.length
    onText(text.slice(0, at) + s + text.slice(el?.selectionEnd ?? at))
    requestAnimationFrame(() => el?.setSelectionRange(at + s.length, at + s.length))
  }
  useImperativeHandle(place, () => (s: string) => {
    insert(s)
    area.current?.focus()
  })

  return (
    <div className={`bh-composer${note ? ' note' : ''}`}>
      {reply && (
        <div className="bh-replying">
          <span dir="auto">{reply.from.name || reply.from.id}: {summary(reply, t)}</span>
          <button type="button" className="bh-icon" aria-label={t('cancel')} onClick={onCancelReply}><Icon name="close" size={16} /></button>
        </div>
      )}
      {asked.length > 0 && <Asked all={asked} note={note} onSend={() => { onSendAsked(); area.current?.focus() }} onRemove={(u) => onRemoveAsked([u])} onCancel={() => { onRemoveAsked(asked); area.current?.focus() }} />}
      <div className="bh-input">
        <button type="button" className="bh-icon" aria-label={t(speaking ? 'keyboard' : 'voice.switch')} aria-pressed={speaking} onClick={() => setSpeaking(!speaking)}>
          <Icon name={speaking ? 'keyboard' : 'voice'} />
        </button>
        {speaking ? (
          <VoiceButton onVoice={onVoice} onError={(why) => onError(`voice.${why}`)} />
        ) : (
          <textarea ref={area} rows={1} value={text} dir="auto" enterKeyHint="send" aria-label={placeholder ?? t('write')} placeholder={placeholder} onChange={(e) => onText(e.target.value)} onKeyDown={key} onFocus={() => setPanel(false)} />
        )}
        <button type="button" className="bh-icon" aria-label={t('emoji')} aria-expanded={panel} onClick={() => setPanel(!panel)}><Icon name="emoji" /></button>
        {tools}
        {(text.trim() || settling) && !speaking ? (
          <button type="button" className="bh-send" aria-disabled={!text.trim()} onClick={() => { settleAgain(); send() }}>{t('send')}</button>
        ) : (
          <button type="button" className="bh-icon" aria-label={t('attach')} onClick={() => picker.current?.click()}><Icon name="plus" /></button>
        )}
        <input ref={picker} type="file" multiple hidden aria-label={t('attach')} onChange={(e) => {
          onFiles([...(e.target.files ?? [])])
          e.target.value = ''
        }} />
      </div>
      {panel && (
        <div className="bh-emoji" role="group" aria-label={t('emoji')}>
          {emoji.map((e) => <button type="button" key={e} onClick={() => insert(e)}>{e}</button>)}
        </div>
      )}
    </div>
  )
}

/** Whether something was sent a moment ago. */
function useSettling(): [boolean, () => void] {
  const [on, set] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const begin = useCallback(() => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => set(false), settle)
    set(true)
  }, [])
  return [on, begin]
}
