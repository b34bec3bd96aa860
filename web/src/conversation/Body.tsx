import type { FileBody, Message } from 'bellhop-client'
import { useEffect, useMemo, useRef, useState, type CSSProperties } from 'react'
import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import { count, fields, text, webAddress } from '../lib/safe'
import { bytes, clock } from '../lib/time'
import { pieces } from './linkify'
import { ownFile, useLink } from './useLink'

type Content = Pick<Message, 'type' | 'body'>

/** What a message says. Whatever came over the wire is shown as text, never as markup. */
export function Body({ type, body }: Content) {
  switch (type) {
    case 'text':
    case 'note':
      return <Text text={typeof body === 'string' ? body : ''} />
    case 'image':
      return <Picture body={fileOf(body)} />
    case 'voice':
      return <Voice body={fileOf(body)} />
    case 'video':
      return <Video body={fileOf(body)} />
    case 'file':
      return <File body={fileOf(body)} />
    default:
      return <Card body={body} />
  }
}

const fileOf = (body: unknown): FileBody => {
  const f = fields(body)
  return { url: text(f['url']), name: text(f['name']), mime: text(f['mime']), size: count(f['size']), width: count(f['width']), height: count(f['height']), duration: count(f['duration']) }
}

/** Text with its addresses as links. */
function Text({ text }: { text: string }) {
  const parts = useMemo(() => pieces(text), [text])
  // `auto` and `isolate`: an override of direction ends where its message ends.
  return (
    <p className="bh-text" dir="auto">
      {parts.map(({ text, href }, i) =>
        href ? <a key={i} href={href} target="_blank" rel="noopener noreferrer nofollow">{text}</a> : text,
      )}
    </p>
  )
}

/** The size a picture is shown at: known before it is loaded, so that nothing jumps. */
function box({ width = 160, height = 120 }: FileBody): CSSProperties {
  const scale = Math.min(1, 220 / width, 260 / height)
  return { width: Math.max(48, Math.round(width * scale)), height: Math.max(36, Math.round(height * scale)) }
}

function Picture({ body }: { body: FileBody }) {
  const t = useT()
  const link = useLink(body)
  const [large, setLarge] = useState(false)
  if (link === null) return <File body={body} />
  return (
    <>
      <button type="button" className="bh-picture" style={box(body)} onClick={() => setLarge(true)} aria-label={t('picture.open')}>
        {link && <img src={link.thumbnail ?? link.url} alt={body.name || t('picture')} decoding="async" draggable={false} />}
      </button>
      {large && link && <Viewer url={link.url} name={body.name || t('picture')} onClose={() => setLarge(false)} />}
    </>
  )
}

function Viewer({ url, name, onClose }: { url: string; name: string; onClose: () => void }) {
  const t = useT()
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => ref.current?.showModal(), [])
  return (
    <dialog ref={ref} className="bh-viewer" onClose={onClose} onClick={() => ref.current?.close()} aria-label={name}>
      <img src={url} alt={name} />
      <button type="button" aria-label={t('close')}>
        <Icon name="close" />
      </button>
    </dialog>
  )
}

let playing: HTMLAudioElement | undefined

function Voice({ body }: { body: FileBody }) {
  const t = useT()
  const link = useLink(body)
  const audio = useRef<HTMLAudioElement>(null)
  const [on, setOn] = useState(false)
  const [broken, setBroken] = useState(false)
  const [length, setLength] = useState(body.duration ?? 0)
  if (link === null || broken) return <File body={body} />
  const toggle = () => {
    const a = audio.current
    if (!a) return
    if (!a.paused) return a.pause()
    playing?.pause() // one at a time
    playing = a
    a.play().catch(() => setBroken(true))
  }
  return (
    <button type="button" className={`bh-voice${on ? ' playing' : ''}`} style={{ width: 80 + Math.min(length, 60) * 2.4 }} onClick={toggle} aria-label={t(on ? 'voice.pause' : 'voice.play', { time: clock(length) })}>
      <Icon name="voice" size={20} />
      <span>{clock(length)}</span>
      {link && (
        <audio ref={audio} src={link.url} preload="none" onPlay={() => setOn(true)} onPause={() => setOn(false)} onEnded={() => setOn(false)} onError={() => setBroken(true)}
          onDurationChange={(e) => Number.isFinite(e.currentTarget.duration) && !body.duration && setLength(e.currentTarget.duration)} />
      )}
    </button>
  )
}

function Video({ body }: { body: FileBody }) {
  const link = useLink(body)
  const [broken, setBroken] = useState(false)
  if (link === null || broken) return <File body={body} />
  return link ? <video className="bh-video" src={link.url} controls preload="metadata" playsInline onError={() => setBroken(true)} /> : <div className="bh-video" />
}

function File({ body }: { body: FileBody }) {
  const t = useT()
  const link = useLink(body)
  const name = body.name || t('file')
  const foreign = ownFile(body.url) ? undefined : webAddress(body.url)
  const href = link?.url ?? foreign?.href
  return (
    <a className="bh-file" href={href} download={foreign ? undefined : name} target="_blank" rel="noopener noreferrer nofollow" aria-disabled={!href}>
      <Icon name="file" size={34} />
      <span>
        <bdi>{name}</bdi>
        <small>{href || link === undefined ? (body.size ? bytes(body.size) : foreign?.host) : t('file.gone')}</small>
      </span>
    </a>
  )
}

/** A host application's object: its title, text and address where it has them, else its fields. */
function Card({ body }: { body: unknown }) {
  const c = fields(body)
  const word = (k: string) => (Object.hasOwn(c, k) && text(c[k])) || undefined
  const title = word('title') ?? word('name')
  const url = webAddress(word('url'))
  const rest = Object.entries(c).filter(([k, v]) => !['title', 'name', 'url', 'text', 'description'].includes(k) && ['string', 'number', 'boolean'].includes(typeof v))
  const inner = (
    <>
      {title && <strong dir="auto">{title}</strong>}
      {(word('text') ?? word('description')) && <p dir="auto">{word('text') ?? word('description')}</p>}
      {rest.length > 0 && (
        <dl>
          {rest.slice(0, 12).map(([k, v]) => (
            <div key={k}>
              <dt>{k}</dt>
              <dd dir="auto">{String(v)}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  )
  return url ? (
    <a className="bh-card" href={url.href} target="_blank" rel="noopener noreferrer nofollow">
      {inner}
    </a>
  ) : (
    <div className="bh-card">{inner}</div>
  )
}
