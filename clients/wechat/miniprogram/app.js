const { Client } = require('bellhop-client')
const config = require('./config')

App({
  /** One client for all pages: a mini program has five sockets, and a participant needs one. */
  client() {
    if (!this.chat) this.chat = new Client({ api: wx, url: config.url, token: () => config.token(wx) }).start()
    return this.chat
  },
})
