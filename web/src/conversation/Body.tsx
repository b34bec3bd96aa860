import type { FileBody, Message } from 'bellhop-client'
import { useMemo, type ReactNode } from 'react'
import { count, fields, text, webAddress } from '../lib/safe'
import { pieces } from './linkify'
import { FileLink, MaybePicture, Picture, useFresh, Video, Voice } from './Media'
import { mayBeShown } from './pictureKind'
import { useLink } from './useLink'

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
      return mayBeShown(fileOf(body).mime) ? <MaybePicture body={fileOf(body)} /> : <FileLink body={fileOf(body)} />
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
  return url ? <CardLink url={url}>{inner}</CardLink> : <div className="bh-card">{inner}</div>
}

/** A card may lead to one of this server's files. */
function CardLink({ url, children }: { url: URL; children: ReactNode }) {
  const linked = useLink(url.href)
  const fresh = useFresh(linked)
  return (
    <a className="bh-card" href={linked.link?.url ?? url.href} target="_blank" rel="noopener noreferrer nofollow" {...fresh}>
      {children}
    </a>
  )
}
