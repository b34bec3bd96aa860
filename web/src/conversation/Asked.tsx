import { useState } from 'react'
import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import { bytes } from '../lib/time'
import type { Upload } from './uploads'

interface Props {
  all: readonly Upload[]
  /** What one writes is a note; files never are. */
  note?: boolean
  onSend: () => void
  onRemove: (u: Upload) => void
  onCancel: () => void
}

/** What was pasted or dropped, and whether it is meant to be sent. */
export function Asked({ all, note, onSend, onRemove, onCancel }: Props) {
  const t = useT()
  return (
    <div className="bh-asked" role="group" aria-label={t('asked', { n: all.length })}>
      <ul>
        {all.map((u) => (
          <li key={u.id}>
            <Preview u={u} />
            <small title={u.name}><bdi>{u.name}</bdi> {bytes(u.file.size)}</small>
            <button type="button" aria-label={t('asked.remove', { name: u.name })} onClick={() => onRemove(u)}><Icon name="close" size={14} /></button>
          </li>
        ))}
      </ul>
      <div>
        <span role="status">{t('asked', { n: all.length })}{note && ` ${t('asked.seen')}`}</span>
        <button type="button" className="bh-button" onClick={onCancel}>{t('cancel')}</button>
        <button type="button" className="bh-button primary" onClick={onSend}>{t('asked.send', { n: all.length })}</button>
      </div>
    </div>
  )
}

/** The picture itself, where the browser can show it. */
export function Preview({ u }: { u: Upload }) {
  const [shows, setShows] = useState(/^image\//.test(u.file.type))
  if (shows) return <img className="bh-preview" src={u.preview} alt={u.name} onError={() => setShows(false)} />
  return <span className="bh-file"><Icon name="file" size={34} /><span><bdi>{u.name}</bdi></span></span>
}
