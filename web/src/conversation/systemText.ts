import type { Message } from 'bellhop-client'
import type { Language, T } from '../lib/i18n'
import { count, fields, text } from '../lib/safe'
import { chatTime } from '../lib/time'

const name = (p: unknown) => {
  const { name, id } = fields(p)
  return text(name) || text(id)
}

/** What a system message tells the one who reads it; nothing where it is not worth a line. */
export function systemText(m: Message, t: T, l: Language, staff: boolean, queueName: (id: string) => string): string {
  const b = fields(m.body)
  const opens = text(b['opens']) ? t('system.opens', { time: chatTime(b['opens'], l) }) : ''
  switch (b['what']) {
    case 'opened':
      return t(staff ? 'system.opened.staff' : 'system.opened')
    case 'greeting':
      return text(b['text'])
    case 'offline':
    case 'long-wait':
      return [text(b['text']) || t(b['what'] === 'offline' ? 'system.offline' : 'system.long-wait'), opens].filter(Boolean).join(' ')
    case 'grabbed':
      return t('system.grabbed', { name: name(b['agent']) })
    case 'offered':
      return staff ? t('system.offered', { name: name(b['to']) }) : ''
    case 'declined':
      return staff ? t(b['outcome'] === 'declined' ? 'system.declined' : 'system.not-accepted') : ''
    case 'transferred':
      return typeof b['queue'] === 'string' ? t('system.to-queue', { queue: queueName(b['queue']) }) : t('system.transferred', { name: name(b['to']) })
    case 'joined':
      return t('system.joined', { name: name(b['agent']) })
    case 'left':
      return t('system.left', { name: name(b['agent']) })
    case 'requeued':
      return t(staff ? 'system.requeued.staff' : 'system.requeued')
    case 'ending':
      return t('system.ending')
    case 'idle-warning':
      return t('system.idle-warning', { seconds: count(b['seconds']) ?? 60 })
    case 'ended':
      return t(b['reason'] === 'idle' || b['reason'] === 'abandoned' ? `system.ended.${b['reason']}` : 'system.ended')
    case 'reopened':
      return t('system.reopened')
    case 'recalled': // of a note, which says so itself
      return ''
    default:
      return ''
  }
}
