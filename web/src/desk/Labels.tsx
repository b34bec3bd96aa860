import { App, Input, Tag } from 'antd'
import type { BellhopError, Session } from 'bellhop-client'
import { useState } from 'react'
import { errorText } from '../conversation/errorText'
import { useT } from '../lib/i18n'
import { texts } from '../lib/safe'
import { useClient } from '../lib/useClient'

/** Staff's words on a session, added and taken off. */
export function Labels({ session }: { session: Session }) {
  const t = useT()
  const client = useClient()
  const { message } = App.useApp()
  const [adding, setAdding] = useState(false)
  const change = (r: { add?: string[]; remove?: string[] }) => client.label(session.id, r).catch((e: BellhopError) => void message.error(errorText(e.code, t)))
  const add = (word: string) => {
    setAdding(false)
    if (word.trim()) void change({ add: [word.trim()] })
  }
  return (
    <span className="desk-labels">
      {texts(session.labels).map((l) => (
        <Tag key={l} closable={{ 'aria-label': t('desk.label.remove', { label: l }) }} onClose={(e) => { e.preventDefault(); void change({ remove: [l] }) }}>{l}</Tag>
      ))}
      {adding ? (
        <Input size="small" autoFocus maxLength={20} aria-label={t('desk.label.add')} onPressEnter={(e) => add(e.currentTarget.value)} onBlur={(e) => add(e.currentTarget.value)} onKeyDown={(e) => e.key === 'Escape' && setAdding(false)} />
      ) : (
        <button type="button" className="desk-plus" aria-label={t('desk.label.add')} title={t('desk.label.add')} onClick={() => setAdding(true)}>+</button>
      )}
    </span>
  )
}
