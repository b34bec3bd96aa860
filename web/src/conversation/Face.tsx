import { Avatar } from '@chatui/core'
import { useState, type SyntheticEvent } from 'react'
import { pictureAddress } from '../lib/safe'
import { ownFile } from './links'
import { useLink } from './useLink'

interface Props {
  name: string
  src?: string
  size?: 'sm' | 'md' | 'lg'
}

/** Somebody's picture; the first letter of the name on a colour of its own, where there is none. */
export function Face({ name, src, size = 'md' }: Props) {
  const address = pictureAddress(src)
  return (
    <Avatar size={size} shape="square" className="bh-face">
      {address && ownFile(address) ? <OwnPicture key={address} src={address} name={name} /> : <Shown key={address} src={address} name={name} />}
    </Avatar>
  )
}

/** One of this server's files, by the link that one has as far as that goes, else by one of one's own. */
function OwnPicture({ src, name }: { src: string; name: string }) {
  const { link, renew } = useLink(src)
  const [refused, setRefused] = useState(!new URL(src).searchParams.has('signature'))
  const [broken, setBroken] = useState(false)
  if (broken || (refused && !link)) return <Letter name={name} />
  const failed = (e: SyntheticEvent<HTMLImageElement>) => (refused ? void renew(e.currentTarget.src).then((l) => !l && setBroken(true)) : setRefused(true))
  return <img src={refused ? (link!.thumbnail ?? link!.url) : src} alt="" referrerPolicy="no-referrer" onError={failed} />
}

function Shown({ src, name }: { src?: string; name: string }) {
  const [broken, setBroken] = useState(false)
  return src && !broken ? <img src={src} alt="" referrerPolicy="no-referrer" onError={() => setBroken(true)} /> : <Letter name={name} />
}

function Letter({ name }: { name: string }) {
  const hue = [...name].reduce((n, c) => (n * 31 + c.codePointAt(0)!) % 360, 7)
  return (
    <span ref={(el) => el?.style.setProperty('--hue', String(hue))} aria-hidden="true">
      {[...name.trim()][0]?.toUpperCase() ?? '?'}
    </span>
  )
}
