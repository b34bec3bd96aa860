import { StrictMode, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { Guard } from './Guard'
import { LocaleProvider } from './LocaleProvider'
import type { Dictionaries } from './i18n'
import { guardComposition } from './ime'

interface Look {
  /** A language that the page's address asks for. */
  asked?: string | null
  texts?: Dictionaries
}

/** Shows a page. Its guards tell of what they catch, once, which React would tell each time. */
export function mount(page: ReactNode, look: Look = {}) {
  guardComposition()
  createRoot(document.getElementById('root')!, { onCaughtError: () => {} }).render(
    <StrictMode>
      <LocaleProvider {...look}>
        <Guard name="the page">{page}</Guard>
      </LocaleProvider>
    </StrictMode>,
  )
}
