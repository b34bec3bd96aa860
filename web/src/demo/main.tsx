import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { dictionaries } from '../lib/i18n'
import { LocaleProvider } from '../lib/LocaleProvider'
import '../lib/page.css'
import { applyTheme } from '../lib/theme'
import { App } from './App'
import './demo.css'
import { en } from './locales/en'
import { zh } from './locales/zh'

applyTheme()

const texts = { en: { ...dictionaries.en, ...en }, zh: { ...dictionaries.zh, ...zh } }

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <LocaleProvider texts={texts}>
      <App />
    </LocaleProvider>
  </StrictMode>,
)
