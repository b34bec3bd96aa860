import { useEffect, useState } from 'react'
import type { DemoPerson } from '../lib/access'
import { base } from '../lib/base'
import { Guard } from '../lib/Guard'
import { useLocale, useT } from '../lib/i18n'
import { Icon } from '../lib/icons'
import { rows, webAddress } from '../lib/safe'
import { toggleTheme } from '../lib/theme'
import { drawings } from './drawings'

/** Who is here to be, as the server tells. */
interface Demo {
  people: DemoPerson[]
  bots: boolean
  shop: string
}

const roles = ['user', 'agent', 'supervisor'] as const
type DemoRole = (typeof roles)[number]

async function fetchDemo(): Promise<Demo> {
  const r = await fetch(`${base}/demo/people`)
  if (!r.ok) throw new Error(`HTTP ${r.status}`)
  return (await r.json()) as Demo
}

/** The first page of a demo: who one can be, each one click. */
export function App() {
  const t = useT()
  const [demo, setDemo] = useState<Demo>()
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    fetchDemo().then(setDemo, () => setFailed(true))
  }, [])
  useEffect(() => {
    document.title = t('demo.title')
  }, [t])
  return (
    <div className="demo">
      <Header />
      <main>
        <h1>{t('demo.lead')}</h1>
        <p className="demo-memory"><strong>{t('demo.badge')}</strong> {t('demo.memory')}</p>
        <h2>{t('demo.people')}</h2>
        <p>{t('demo.how')}</p>
        {failed && (
          <p className="bh-error" role="alert">
            {t('demo.failed')} <button type="button" className="bh-button" onClick={() => location.reload()}>{t('retry')}</button>
          </p>
        )}
        <div className="demo-roles" aria-busy={!demo && !failed}>
          {roles.map((role) => <Guard key={role} of={demo} name={`the ${role}s`}><Role role={role} people={rows(demo?.people).filter((p) => p.role === role)} /></Guard>)}
        </div>
        <div className="demo-more">
          {demo && <Bots running={Boolean(demo.bots)} />}
          {webAddress(demo?.shop) && <Shop address={webAddress(demo?.shop)!} />}
          <section>
            <h2>{t('demo.docs')}</h2>
            <p>{t('demo.docs.what')}</p>
            <p><a className="bh-button" href="docs">{t('demo.docs.api')}</a> <a className="bh-button" href="openapi.yaml">{t('demo.docs.openapi')}</a></p>
          </section>
        </div>
      </main>
    </div>
  )
}

function Header() {
  const { t, language, setLanguage } = useLocale()
  const other = language === 'zh' ? 'en' : 'zh'
  return (
    <header>
      <span className="demo-name">Bellhop</span>
      <span className="demo-mark">{t('demo.badge')}</span>
      <button type="button" className="bh-icon" aria-label={t('theme')} onClick={toggleTheme}><Icon name="moon" size={20} /></button>
      <button type="button" className="bh-button" lang={other} onClick={() => setLanguage(other)}>{t('language')}</button>
    </header>
  )
}

/** One kind of people, the first of whom most will pick. */
function Role({ role, people }: { role: DemoRole; people: DemoPerson[] }) {
  const t = useT()
  const page = role === 'user' ? 'chat' : 'desk'
  return (
    <section className={`demo-role ${role}`} aria-labelledby={`be-${role}`}>
      <svg viewBox="0 0 64 64" aria-hidden="true"><path d={drawings[role]} /></svg>
      <h3 id={`be-${role}`}>{t(`demo.${role}`)}</h3>
      <p>{t(`demo.${role}.what`)}</p>
      <ul>
        {people.map((p, i) => (
          <li key={p.id}>
            <a className={i ? 'bh-button' : 'bh-button primary'} href={`${page}#${new URLSearchParams({ demo: `${role}:${p.id}` })}`} target="_blank" rel="noopener"
              aria-label={t('demo.new-tab', { name: p.name, role: t(`demo.${role}.role`) })}>
              {p.name}
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Bots({ running }: { running: boolean }) {
  const t = useT()
  return (
    <section className={running ? 'demo-bots on' : 'demo-bots'}>
      <h2>{t(running ? 'demo.bots.on' : 'demo.bots.off')}</h2>
      <p>{t(running ? 'demo.bots.on.what' : 'demo.bots.off.what')}</p>
      {!running && <p><code>go run ./app --demo</code></p>}
    </section>
  )
}

function Shop({ address }: { address: URL }) {
  const { t, language } = useLocale()
  return (
    <section>
      <h2>{t('demo.shop')}</h2>
      <p>{t('demo.shop.what')}</p>
      <p><a className="bh-button" href={`${address.href}?lang=${language}`} target="_blank" rel="noopener">{t('demo.shop.open')}</a></p>
    </section>
  )
}
