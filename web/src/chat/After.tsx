import { BellhopError, type Session } from 'bellhop-client'
import { useState } from 'react'
import { errorText } from '../conversation/errorText'
import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import { stars, timeOf } from '../lib/safe'
import { useServerNow } from '../lib/serverTime'
import { useClient } from '../lib/useClient'

const week = 7 * 86_400_000

/** After the end: a rating, once, within a week; going on; something new. */
export function After({ session, onReopen, onNew }: { session: Session; onReopen: () => void; onNew: () => void }) {
  const t = useT()
  const client = useClient()
  const [score, setScore] = useState(0)
  const [comment, setComment] = useState('')
  const [error, setError] = useState('')
  const now = useServerNow(60_000)
  const mayRate = session.agent && !session.rating && now - (timeOf(session.ended) ?? 0) < week
  const rate = () => client.rate(session.id, score, comment.trim()).catch((e: unknown) => setError(errorText(e instanceof BellhopError ? e.code : '', t)))
  return (
    <div className="chat-after">
      {mayRate && (
        <fieldset>
          <legend>{t('chat.rate')}</legend>
          <div className="chat-stars">
            {[1, 2, 3, 4, 5].map((n) => (
              <button type="button" key={n} aria-pressed={score === n} aria-label={t('chat.rate.star', { n })} onClick={() => setScore(n)}>
                <Icon name="star" size={30} filled={n <= score} />
              </button>
            ))}
          </div>
          {score > 0 && (
            <>
              <input value={comment} maxLength={300} placeholder={t('chat.rate.comment')} aria-label={t('chat.rate.comment')} dir="auto" onChange={(e) => setComment(e.target.value)} />
              <button type="button" className="bh-button primary" onClick={() => void rate()}>{t('chat.rate.send')}</button>
            </>
          )}
          {error && <p role="alert">{error}</p>}
        </fieldset>
      )}
      {session.rating && <p role="status">{t('chat.rated')} <span role="img" aria-label={t('chat.rate.star', { n: stars(session.rating.score).length })}>{stars(session.rating.score)}</span></p>}
      <div className="chat-next">
        <button type="button" className="bh-button" onClick={onReopen}>{t('chat.reopen')}</button>
        <button type="button" className="bh-button primary" onClick={onNew}>{t('chat.new')}</button>
      </div>
    </div>
  )
}
