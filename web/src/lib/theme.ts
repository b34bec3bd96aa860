export type Theme = 'light' | 'dark'

const slot = 'bellhop:theme'

function kept(): Theme | undefined {
  try {
    const v = localStorage.getItem(slot)
    return v === 'dark' || v === 'light' ? v : undefined
  } catch {
    return undefined
  }
}

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
  try {
    localStorage.setItem(slot, next)
  } catch {
    // It holds for this visit.
  }
  document.documentElement.dataset['theme'] = next
  return next
}
