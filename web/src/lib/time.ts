import type { Language } from './i18n'
import { timeOf } from './safe'
import { serverNow } from './serverTime'

const tag = (l: Language) => (l === 'zh' ? 'zh-CN' : 'en-GB')
const day = (d: Date) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime()

/** What stands where a time is none. */
const never = '—'

/** A time as people write it in a chat, in the viewer's zone: the hour today, then the day before it. */
export function chatTime(at: unknown, l: Language, now = new Date(serverNow())) {
  const ms = timeOf(at)
  if (ms === undefined) return never
  const d = new Date(ms)
  const hour = new Intl.DateTimeFormat(tag(l), { hour: '2-digit', minute: '2-digit', hour12: false }).format(d)
  const days = Math.round((day(now) - day(d)) / 86_400_000)
  if (days === 0) return hour
  if (days === 1) return `${new Intl.RelativeTimeFormat(tag(l), { numeric: 'auto' }).format(-1, 'day')} ${hour}`
  const o: Intl.DateTimeFormatOptions = days < 7 && days > 0 ? { weekday: 'long' } : { month: 'short', day: 'numeric' }
  if (d.getFullYear() !== now.getFullYear()) o.year = 'numeric'
  return `${new Intl.DateTimeFormat(tag(l), o).format(d)} ${hour}`
}

/** A full date and time in the viewer's zone. */
export const fullTime = (at: unknown, l: Language) => formatted(at, new Intl.DateTimeFormat(tag(l), { dateStyle: 'medium', timeStyle: 'medium', hour12: false }))

/** A time by a format of one's own. */
export function formatted(at: unknown, format: Intl.DateTimeFormat) {
  const ms = timeOf(at)
  return ms === undefined ? never : format.format(ms)
}

/** Seconds as a clock shows them: 0:05, 12:34, 1:02:03. */
export function clock(seconds: number) {
  if (!Number.isFinite(seconds)) return never
  const s = Math.min(Math.max(0, Math.round(seconds)), 999 * 3600)
  const parts = s >= 3600 ? [s / 3600, (s % 3600) / 60, s % 60] : [s / 60, s % 60]
  return parts.map((n, i) => (i ? String(Math.floor(n)).padStart(2, '0') : String(Math.floor(n)))).join(':')
}

/** Bytes for people. */
export function bytes(n: number) {
  if (!Number.isFinite(n)) return never
  const units = ['B', 'KB', 'MB', 'GB']
  const i = n < 1 ? 0 : Math.min(3, Math.floor(Math.log2(n) / 10))
  return `${(n / 1024 ** i).toFixed(i && n / 1024 ** i < 10 ? 1 : 0)} ${units[i]}`
}
