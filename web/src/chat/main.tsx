import '@chatui/core/dist/index.css'
import { Client } from 'bellhop-client'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '../conversation/conversation.css'
import { pageAccess } from '../lib/access'
import { LocaleProvider } from '../lib/LocaleProvider'
import '../lib/page.css'
import { applyTheme } from '../lib/theme'
import { ClientContext } from '../lib/useClient'
import { App, NoAccess } from './App'
import './chat.css'
import { embed } from './embed'

const options = new URLSearchParams(location.hash.slice(1))
const access = embed.active ? { token: embed.token } : pageAccess('bellhop:chat')
applyTheme()

const client = access && new Client({ token: access.token, storage: localStorage })
client?.start()
if (client) embed.follow(client)

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <LocaleProvider asked={options.get('lang')}>
      {client ? (
        <ClientContext value={client}>
          <App queue={options.get('queue') ?? undefined} subject={options.get('subject') ?? ''} meta={embed.meta} />
        </ClientContext>
      ) : (
        <NoAccess />
      )}
    </LocaleProvider>
  </StrictMode>,
)
