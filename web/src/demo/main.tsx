import { dictionaries } from '../lib/i18n'
import { mount } from '../lib/mount'
import '../lib/page.css'
import { applyTheme } from '../lib/theme'
import { App } from './App'
import './demo.css'
import { en } from './locales/en'
import { zh } from './locales/zh'

applyTheme()

const texts = { en: { ...dictionaries.en, ...en }, zh: { ...dictionaries.zh, ...zh } }

mount(<App />, { texts })
