import type { T } from '../lib/i18n'
import type { Upload } from './uploads'

const known = [
  'bad_request', 'unauthorized', 'forbidden', 'blocked', 'not_found', 'taken', 'full', 'wrong_state', 'ended', 'too_late', 'no_agent', 'too_large', 'rate_limited', 'overloaded', 'unavailable',
  'empty', 'unreadable', 'proxy',
] as const

/** What an error code means to a person. */
export function errorText(code: string | undefined, t: T) {
  const k = known.find((c) => c === code)
  return t(k ? `error.${k}` : 'error.internal')
}

/** Why a file was not sent. */
export function uploadText({ error, wait }: Upload, t: T) {
  switch (error) {
    case 'too_large':
      return t('error.file.too_large')
    case 'bad_request':
      return t('error.file.refused')
    case 'rate_limited':
      return wait && wait > 60_000 ? t('error.file.later', { minutes: Math.ceil(wait / 60_000) }) : t('error.file.soon', { seconds: Math.ceil((wait ?? 60_000) / 1000) })
    default:
      return errorText(error, t)
  }
}
