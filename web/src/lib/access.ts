import type { Role } from 'bellhop-client'
import { base } from './base'
import { perTab } from './store'

/** Where a page's token comes from. */
export interface Access {
  token: string | (() => Promise<string>)
  /** Whether it is a demo person's. */
  demo: boolean
}

export interface DemoPerson {
  role: Role
  id: string
  name: string
}

/**
 * The token of the page's address (`#token=…`), which is taken out of the address at once, or this tab's from before a reload; or one
 * of a demo person (`#demo=role:id`).
 */
export function pageAccess(slot: string): Access | undefined {
  const hash = new URLSearchParams(location.hash.slice(1))
  const token = hash.get('token')
  const demo = hash.get('demo')
  if (token) {
    perTab.setItem(slot, token)
    hash.delete('token')
    const rest = hash.toString()
    try {
      history.replaceState(null, '', location.pathname + location.search + (rest ? `#${rest}` : ''))
    } catch {
      location.hash = rest // a browser that allows only so many in a minute
    }
  }
  if (demo) {
    const [role, ...id] = demo.split(':')
    return { token: () => demoToken({ role: role as Role, id: id.join(':') }), demo: true }
  }
  const kept = token ?? perTab.getItem(slot)
  return kept ? { token: kept, demo: false } : undefined
}

export async function demoToken(p: { role: Role; id: string }) {
  const r = await fetch(`${base}/demo/token`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(p) })
  const answer = (await r.json()) as { token?: string; detail?: string }
  if (!answer.token) throw new Error(answer.detail ?? `HTTP ${r.status}`)
  return answer.token
}
