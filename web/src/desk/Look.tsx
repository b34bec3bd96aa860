import { App, ConfigProvider, theme as antd } from 'antd'
import enUS from 'antd/locale/en_US'
import zhCN from 'antd/locale/zh_CN'
import { useEffect, useState, type ReactNode } from 'react'
import { useLocale } from '../lib/i18n'
import { applyTheme, theme, type Theme } from '../lib/theme'

/** The pages' own: antd's ends in fonts of emoji, which some systems take digits and spaces from. */
const font = () => getComputedStyle(document.body).fontFamily

/** antd in the page's language and theme. */
export function Look({ children }: { children: ReactNode }) {
  const { language } = useLocale()
  const [now, setNow] = useState<Theme>(theme)
  useEffect(() => {
    const stop = applyTheme(setNow)
    const seen = new MutationObserver(() => setNow(theme()))
    seen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => {
      stop()
      seen.disconnect()
    }
  }, [])
  const dark = now === 'dark'
  return (
    <ConfigProvider locale={language === 'zh' ? zhCN : enUS}
      theme={{ algorithm: dark ? antd.darkAlgorithm : antd.defaultAlgorithm, token: { colorPrimary: dark ? '#35d07f' : '#067a3e', colorError: dark ? '#ff7b72' : '#c8322b', colorLink: dark ? '#8ab4f8' : '#2f5b9c', colorTextPlaceholder: dark ? '#a8a8a8' : '#666', colorTextDescription: dark ? '#a8a8a8' : '#5c5c5c', borderRadius: 6, fontSize: 14, fontFamily: font(), motion: !matchMedia('(prefers-reduced-motion: reduce)').matches },
        components: { Button: dark ? { primaryColor: '#06120b' } : {} } }}
      button={{ autoInsertSpace: false }}>
      <App className="desk-app">{children}</App>
    </ConfigProvider>
  )
}
