import '@chatui/core/dist/index.css'
import { Client } from 'bellhop-client'
import { useState } from 'react'
import '../conversation/conversation.css'
import { pageAccess, type Access } from '../lib/access'
import { base } from '../lib/base'
import { closeWhenAway } from '../lib/away'
import { dictionaries } from '../lib/i18n'
import { mount } from '../lib/mount'
import '../lib/page.css'
import { followServer } from '../lib/serverTime'
import { local, perTab } from '../lib/store'
import { ClientContext } from '../lib/useClient'
import { Desk } from './Desk'
import './desk.css'
import { tellAll } from './listeners'
import { en } from './locales/en'
import { zh } from './locales/zh'
import { Look } from './Look'
import { SignIn } from './SignIn'
import { en as supEn } from './supervisor/locales/en'
import { zh as supZh } from './supervisor/locales/zh'

const texts = { en: { ...dictionaries.en, ...en, ...supEn }, zh: { ...dictionaries.zh, ...zh, ...supZh } }
const slot = 'bellhop:desk'

function start(access: Access) {
  const client = new Client({ url: base, token: access.token, storage: local, onEvent: tellAll })
  followServer(client)
  client.watch().catch(() => {}) // it goes on by itself once connected
  closeWhenAway(client)
  return client.start()
}

function Page() {
  const [client, setClient] = useState(() => {
    const access = pageAccess(slot)
    return access && start(access)
  })
  const signIn = (token: string) => {
    perTab.setItem(slot, token)
    setClient(start({ token, demo: false }))
  }
  const signOut = () => {
    client?.close()
    perTab.removeItem(slot)
    location.hash = ''
    setClient(undefined)
  }
  return client ? (
    <ClientContext value={client}>
      <Desk onSignOut={signOut} />
    </ClientContext>
  ) : (
    <SignIn onToken={signIn} />
  )
}

mount(
  <Look>
    <Page />
  </Look>,
  { asked: new URLSearchParams(location.hash.slice(1)).get('lang'), texts },
)
