import { createContext, useContext } from 'react'
import { en } from './locales/en'
import { zh } from './locales/zh'
import { local } from './store'

/** What all pages say, and what the workbench and the demo say: only their own scripts have the texts of that. */
export type Key = keyof typeof en | keyof typeof import('../desk/locales/en').en | keyof typeof import('../desk/supervisor/locales/en').en | keyof typeof import('../demo/locales/en').en
export type Language = 'zh' | 'en'
export type Dictionaries = Record<Language, Partial<Record<Key, string>>>

export const dictionaries = { en, zh } satisfies Dictionaries

/** The language asked for in the address, picked before, or the browser's. */
export function pickLanguage(asked?: string | null): Language {
  const wanted = asked ?? local.getItem(slot) ?? navigator.language
  return wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

const slot = 'bellhop:lang'

export const keepLanguage = (l: Language) => local.setItem(slot, l)

export type T = (key: Key, values?: Record<string, string | number>) => string

/** A translation: `{name}` stands for a value, `{n|one|many}` for a form by number. */
export function translator(l: Language, all: Dictionaries = dictionaries): T {
  const rules = new Intl.PluralRules(l)
  return (key, values = {}) =>
    (Object.hasOwn(all[l], key) ? all[l][key]! : key).replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name: string, one?: string, many?: string) => {
      const value = values[name] ?? ''
      return one === undefined ? String(value) : ((rules.select(Number(value)) === 'one' ? one : many) ?? '')
    })
}

export interface Locale {
  language: Language
  t: T
  setLanguage: (l: Language) => void
}

export const LocaleContext = createContext<Locale>({ language: 'en', t: translator('en'), setLanguage: () => {} })

export const useLocale = () => useContext(LocaleContext)
export const useT = () => useLocale().t
