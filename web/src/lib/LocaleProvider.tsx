import { useEffect, useMemo, useState, type ReactNode } from 'react'
import { dictionaries, keepLanguage, LocaleContext, pickLanguage, translator, type Dictionaries, type Language } from './i18n'

interface Props {
  /** A language that the page's address asks for. */
  asked?: string | null
  texts?: Dictionaries
  children: ReactNode
}

export function LocaleProvider({ asked, texts = dictionaries, children }: Props) {
  const [language, set] = useState<Language>(() => pickLanguage(asked))
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  }, [language])
  const locale = useMemo(
    () => ({
      language,
      t: translator(language, texts),
      setLanguage: (l: Language) => {
        keepLanguage(l)
        set(l)
      },
    }),
    [language, texts],
  )
  return <LocaleContext value={locale}>{children}</LocaleContext>
}
