import type { Session } from 'bellhop-client'
import { useEffect, useState, type FormEvent } from 'react'
import { Guard } from '../lib/Guard'
import { useLocale } from '../lib/i18n'
import { chatTime } from '../lib/time'
import { useClient } from '../lib/useClient'

/** Before a conversation: what it is about, and those that were. */
export function Start({ subject, onOpen, onPick }: { subject: string; onOpen: (subject: string) => void; onPick: (s: Session) => void }) {
  const { t, language } = useLocale()
  const client = useClient()
  const [about, setAbout] = useState(subject)
  const [earlier, setEarlier] = useState<Session[]>([])
  useEffect(() => {
    client.listAll({ state: 'ended' }, undefined, 20).then(setEarlier).catch(() => {}) // it is only a list
  }, [client])
  const submit = (e: FormEvent) => {
    e.preventDefault()
    onOpen(about.trim())
  }
  return (
    <div className="chat-start">
      <form onSubmit={submit}>
        <h2>{t('chat.none')}</h2>
        <label>
          {t('chat.subject')}
          <input value={about} maxLength={80} placeholder={t('chat.subject.hint')} dir="auto" onChange={(e) => setAbout(e.target.value)} />
        </label>
        <button type="submit" className="bh-button primary">{t('chat.start')}</button>
      </form>
      {earlier.length > 0 && (
        <section>
          <h2>{t('chat.earlier')}</h2>
          <ul>
            {earlier.map((s) => (
              <li key={s.id}>
                <Guard of={s} name={`session ${s.id}`}>
                  <button type="button" onClick={() => onPick(s)}>
                    <span dir="auto">{s.subject || s.agent?.name || t('chat.title')}</span>
                    <time dateTime={s.created}>{chatTime(s.created, language)}</time>
                  </button>
                </Guard>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
