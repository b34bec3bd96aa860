import { Select } from 'antd'
import { useEffect } from 'react'
import { queueNamesOf, useQueueIds, useQueueName } from '../../lib/queueNames'
import { useT } from '../../lib/i18n'
import { useClient } from '../../lib/useClient'

/** Picks one of the queues, by its name; the empty text for all of them. */
export function QueueSelect({ onChange }: { onChange: (queue: string) => void }) {
  const t = useT()
  const client = useClient()
  const name = useQueueName()
  const ids = useQueueIds()
  useEffect(() => void queueNamesOf(client).refresh(), [client])
  const options = ids.map((value) => ({ value, label: name(value) })).sort((a, b) => a.label.localeCompare(b.label))
  return <Select showSearch allowClear optionFilterProp="label" placeholder={t('desk.queue')} aria-label={t('desk.queue')} popupMatchSelectWidth={false} options={options} onChange={(q: string | undefined) => onChange(q ?? '')} />
}
