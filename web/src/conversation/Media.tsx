import type { FileBody } from 'bellhop-client'
import { useCallback, useEffect, useRef, useState, type CSSProperties, type SyntheticEvent } from 'react'
import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import { webAddress } from '../lib/safe'
import { bytes, clock } from '../lib/time'
import { ownFile, type Link } from './links'
import { useLink, type Linked } from './useLink'

/** The size a picture is shown at: known before it is loaded, so that nothing jumps. */
function box({ width = 160, height = 120 }: FileBody): CSSProperties {
  const scale = Math.min(1, 220 / width, 260 / height)
  return { width: Math.max(48, Math.round(width * scale)), height: Math.max(36, Math.round(height * scale)) }
}

/** Whether a picture that failed with an old link is loaded with a new one; if not it is broken. */
function useBroken(renew: Linked['renew']) {
  const [broken, setBroken] = useState(false)
  const failed = useCallback((e: SyntheticEvent<HTMLImageElement>) => void renew(e.currentTarget.src).then((l) => !l && setBroken(true)), [renew])
  return [broken, failed] as const
}

/** What moves is shown moving up to this size, in bytes; a larger one when it is opened. */
const movingSize = 2 * 1024 * 1024
const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches

export function Picture({ body }: { body: FileBody }) {
  const t = useT()
  const { link, current, renew } = useLink(body.url)
  const [broken, failed] = useBroken(renew)
  const [large, setLarge] = useState(false)
  const [calm] = useState(still)
  if (link === null || broken) return <FileLink body={body} />
  const moves = link?.animated || body.mime === 'image/gif'
  const plays = moves && !calm && (body.size ?? Infinity) <= movingSize
  const open = () => {
    void current()
    setLarge(true)
  }
  return (
    <>
      <button type="button" className="bh-picture" style={box(body)} onClick={open} aria-label={t(moves && !plays ? 'picture.play' : 'picture.open')}>
        {link && <img src={plays ? link.url : (link.thumbnail ?? link.url)} alt={body.name || t('picture')} decoding="async" draggable={false} onError={failed} />}
        {link && moves && !plays && <span className="bh-gif" aria-hidden="true">GIF</span>}
      </button>
      {large && link && <Viewer url={link.url} name={body.name || t('picture')} onError={failed} onClose={() => setLarge(false)} />}
    </>
  )
}

/** Whether this browser may know a type: some only tell by trying. */
const tries = async (mime: string) => typeof ImageDecoder === 'undefined' || (await ImageDecoder.isTypeSupported(mime).catch(() => true))

/** A picture of a kind that not every browser shows, as iPhones make them: a file, until it turns out that this one does. */
export function MaybePicture({ body }: { body: FileBody }) {
  const t = useT()
  const { link, current, renew } = useLink(body.url)
  const [state, setState] = useState<'asking' | 'trying' | 'shown' | 'not'>('asking')
  const [large, setLarge] = useState(false)
  const mime = body.mime ?? ''
  useEffect(() => {
    let here = true
    void tries(mime).then((may) => here && setState(may ? 'trying' : 'not'))
    return () => {
      here = false
    }
  }, [mime])
  const failed = useCallback((e: SyntheticEvent<HTMLImageElement>) => void renew(e.currentTarget.src).then((l) => !l && setState('not')), [renew])
  const name = body.name || t('picture')
  const open = () => {
    void current()
    setLarge(true)
  }
  return (
    <>
      {state !== 'shown' && <FileLink body={body} />}
      {link && (state === 'trying' || state === 'shown') && (
        <button type="button" className="bh-picture" hidden={state !== 'shown'} onClick={open} aria-label={t('picture.open')}>
          <img className="bh-preview" src={link.url} alt={name} decoding="async" draggable={false} onLoad={() => setState('shown')} onError={failed} />
        </button>
      )}
      {large && link && <Viewer url={link.url} name={name} onError={failed} onClose={() => setLarge(false)} />}
    </>
  )
}

function Viewer({ url, name, onError, onClose }: { url: string; name: string; onError: (e: SyntheticEvent<HTMLImageElement>) => void; onClose: () => void }) {
  const t = useT()
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => ref.current?.showModal(), [])
  return (
    <dialog ref={ref} className="bh-viewer" onClose={onClose} onClick={() => ref.current?.close()} aria-label={name}>
      <img src={url} alt={name} onError={onError} />
      <button type="button" aria-label={t('close')}>
        <Icon name="close" />
      </button>
    </dialog>
  )
}

const at = (a: HTMLMediaElement, url: string) => {
  const { href } = new URL(url, location.href)
  if (a.src !== href) a.src = href
}

/**
 * Gives a player its address. One that works stays, for with another it begins anew; where it fails, a fresh one goes on at the same
 * place.
 */
function usePlayer<E extends HTMLMediaElement>({ link, current, renew }: Linked) {
  const player = useRef<E>(null)
  const [broken, setBroken] = useState(false)
  const plays = useRef(false)
  const goOn = useRef(0)
  useEffect(() => {
    const a = player.current
    if (a && link && a.readyState === 0 && !plays.current) at(a, link.url)
  }, [link])

  const play = useCallback(() => {
    plays.current = true
    player.current?.play().catch(() => {}) // an address that fails tells so itself; another reason leaves it stopped
  }, [])
  /** Plays, from the beginning with an address that works now. */
  const start = () => {
    const take = (l: Link | null) => {
      const a = player.current
      if (!a || !l) return
      if (!a.currentTime) at(a, l.url)
      play()
    }
    const l = current()
    if (l instanceof Promise) void l.then(take)
    else take(l) // in the click, as some browsers want it
  }
  const on = {
    onPlaying: () => { plays.current = true },
    // An address that fails stops it, too: then it is to go on.
    onPause: ({ currentTarget: a }: SyntheticEvent<E>) => { if (a.readyState && !a.error) plays.current = false },
    onError: (e: SyntheticEvent<E>) => {
      const a = e.currentTarget
      goOn.current ||= a.currentTime
      void renew(a.src).then((l) => {
        if (!l) return setBroken(true)
        at(a, l.url)
        if (plays.current) play()
      })
    },
    onLoadedMetadata: (e: SyntheticEvent<E>) => {
      if (goOn.current) e.currentTarget.currentTime = goOn.current
      goOn.current = 0
    },
  }
  return { player, broken, start, on }
}

let playing: HTMLAudioElement | undefined

export function Voice({ body }: { body: FileBody }) {
  const t = useT()
  const linked = useLink(body.url)
  const { player, broken, start, on: { onPause, ...on } } = usePlayer<HTMLAudioElement>(linked)
  const [sounds, setSounds] = useState(false)
  const [length, setLength] = useState(body.duration ?? 0)
  if (linked.link === null || broken) return <FileLink body={body} />
  const toggle = () => {
    const a = player.current
    if (!a) return
    if (!a.paused) return a.pause()
    if (playing !== a) playing?.pause() // one at a time
    playing = a
    start()
  }
  return (
    <button type="button" className={`bh-voice${sounds ? ' playing' : ''}`} style={{ width: 80 + Math.min(length, 60) * 2.4 }} onClick={toggle} aria-label={t(sounds ? 'voice.pause' : 'voice.play', { time: clock(length) })}>
      <Icon name="voice" size={20} />
      <span>{clock(length)}</span>
      <audio ref={player} preload="none" {...on} onPlay={() => setSounds(true)} onPause={(e) => { onPause(e); setSounds(false) }} onEnded={() => setSounds(false)}
        onDurationChange={(e) => Number.isFinite(e.currentTarget.duration) && !body.duration && setLength(e.currentTarget.duration)} />
    </button>
  )
}

export function Video({ body }: { body: FileBody }) {
  const linked = useLink(body.url)
  const { player, broken, on } = usePlayer<HTMLVideoElement>(linked)
  if (linked.link === null || broken) return <FileLink body={body} />
  return <video ref={player} className="bh-video" controls preload="metadata" playsInline {...on} />
}

/** What a link to one of this server's files needs: an address that works when it is followed. */
export function useFresh({ link, current }: Linked, download?: string) {
  return {
    // Ahead of what the browser itself does with the address, as in its menu.
    onPointerDown: () => void current(),
    onClick: (e: SyntheticEvent<HTMLAnchorElement>) => {
      const l = link && current()
      if (!(l instanceof Promise)) return
      e.preventDefault()
      void l.then((fresh) => fresh && follow(fresh.url, download))
    },
  }
}

function follow(url: string, download?: string) {
  const a = document.createElement('a')
  Object.assign(a, { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' })
  if (download !== undefined) a.download = download
  a.click()
}

export function FileLink({ body }: { body: FileBody }) {
  const t = useT()
  const linked = useLink(body.url)
  const name = body.name || t('file')
  const foreign = ownFile(body.url) ? undefined : webAddress(body.url)
  const href = linked.link?.url ?? foreign?.href
  const fresh = useFresh(linked, name)
  return (
    <a className="bh-file" href={href} download={foreign ? undefined : name} target="_blank" rel="noopener noreferrer nofollow" aria-disabled={!href} {...fresh}>
      <Icon name="file" size={34} />
      <span>
        <bdi>{name}</bdi>
        <small>{href || linked.link === undefined ? (body.size ? bytes(body.size) : foreign?.host) : t('file.gone')}</small>
      </span>
    </a>
  )
}
