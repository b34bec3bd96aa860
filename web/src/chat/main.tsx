import '@chatui/core/dist/index.css'
import { Client } from 'bellhop-client'
import '../conversation/conversation.css'
import { pageAccess } from '../lib/access'
import { base } from '../lib/base'
import { closeWhenAway } from '../lib/away'
import { mount } from '../lib/mount'
import '../lib/page.css'
import { followServer } from '../lib/serverTime'
import { local } from '../lib/store'
import { applyTheme } from '../lib/theme'
import { ClientContext } from '../lib/useClient'
import { App, NoAccess } from './App'
import './chat.css'
import { embed } from './embed'

const options = new URLSearchParams(location.hash.slice(1))
const access = embed.active ? { token: embed.token } : pageAccess('bellhop:chat')
applyTheme()

const client = access && new Client({ url: base, token: access.token, storage: local })
client?.start()
if (client) {
  closeWhenAway(client)
  followServer(client)
  embed.follow(client)
}

mount(
  client ? (
    <ClientContext value={client}>
      <App queue={options.get('queue') ?? undefined} subject={options.get('subject') ?? ''} meta={embed.meta} />
    </ClientContext>
  ) : (
    <NoAccess />
  ),
  { asked: options.get('lang') },
)
