import { oneOf } from './safe'
import { local } from './store'

export type Theme = 'light' | 'dark'

const slot = 'bellhop:theme'

const kept = () => oneOf<Theme>(local.getItem(slot), ['light', 'dark'])
const system = () => matchMedia('(prefers-color-scheme: dark)')

export const theme = (): Theme => kept() ?? (system().matches ? 'dark' : 'light')

/** Follows the system until one has picked. */
export function applyTheme(onChange?: (t: Theme) => void) {
  const apply = () => {
    document.documentElement.dataset['theme'] = theme()
    onChange?.(theme())
  }
  apply()
  system().addEventListener('change', apply)
  return () => system().removeEventListener('change', apply)
}

export function toggleTheme() {
  const next: Theme = theme() === 'dark' ? 'light' : 'dark'
  local.setItem(slot, next)
  document.documentElement.dataset['theme'] = next
  return next
}
