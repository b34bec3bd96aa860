const { logOf } = require('bellhop-client')
const config = require('../../config')
const { rowsOf } = require('../../lib/rows')
const { textsOf, filled } = require('../../lib/texts')

const app = getApp()
/** How long a recording lasts at most, and at least, in ms. */
const longest = 60000
const shortest = 800

Page({
  data: { t: {}, rows: [], text: '', notice: '', unread: 0, ended: false, rated: true, more: false, voice: false, recording: false, last: '' },

  onLoad() {
    const t = textsOf(wx.getAppBaseInfo ? wx.getAppBaseInfo().language : wx.getSystemInfoSync().language)
    this.setData({ t })
    wx.setNavigationBarTitle({ title: t.title })
    this.client = app.client()
    this.seen = true
    this.files = {}
    this.unsubscribe = this.client.subscribe(() => this.draw())
    this.draw()
  },

  onUnload() {
    this.unsubscribe()
    clearTimeout(this.redraw)
    if (this.sound) this.sound.destroy()
  },

  // The client itself comes back after the background; the page only knows whether it is looked at.
  onShow() {
    this.seen = true
    if (this.client) this.draw()
  },

  onHide() {
    this.seen = false
  },

  /** The conversation that is shown: the last one of the queue. Opened where there is none. */
  pick(state) {
    if (this.session) return state.sessions[this.session]
    const mine = Object.keys(state.sessions).map((id) => state.sessions[id]).filter((s) => s.queue === config.queue)
    mine.sort((a, b) => (a.created < b.created ? 1 : -1))
    const open = mine.find((s) => s.state !== 'ended') || mine[0]
    if (open) this.take(open.id)
    else if (state.resumed) this.open()
    return open
  },

  take(id) {
    this.session = id
    this.client.load(id).catch((e) => this.refused(e))
  },

  open() {
    if (this.opening) return
    this.opening = true
    this.client
      .open({ queue: config.queue })
      .then((s) => this.take(s.id), (e) => this.refused(e))
      .then(() => {
        this.opening = false
        this.draw()
      })
  },

  again() {
    this.session = ''
    this.open()
  },

  /** Shows what the client holds. */
  draw() {
    const { state } = this.client
    const { t } = this.data
    const s = this.pick(state)
    const log = logOf(state, this.session || '')
    const rows = rowsOf(log, state.me ? state.me.id : '', this.client.now(), t)
    for (const r of rows) if (r.file) r.src = this.address(r.file)
    const place = state.positions[this.session]
    const waiting = s && s.state === 'waiting' ? (place && place.position > 1 ? filled(t.position, place.position - 1) : t.waiting) : ''
    const notice = state.status === 'closed' ? t.closed : state.status === 'waiting' ? t.offline : !state.resumed ? t.connecting : waiting
    const last = rows.length ? rows[rows.length - 1].id : ''
    this.setData({
      rows, notice, unread: state.unread, more: log.loaded && log.more, ended: Boolean(s && s.state === 'ended'),
      rated: !s || s.state !== 'ended' || Boolean(s.rating), last: this.data.more && last === this.bottom ? this.data.last : last,
    })
    this.bottom = last
    // What is looked at is read; elsewhere it stays counted.
    if (this.seen && this.session && s && s.unread) this.client.read(this.session)
    clearTimeout(this.redraw)
    if (rows.some((r) => r.recall)) this.redraw = setTimeout(() => this.draw(), 15000) // until it may not be recalled any more
  },

  /** An address of a file that `<image>` can load, without a token: once it is there, it is drawn. They last an hour. */
  address(url) {
    const path = (/\/api\/v1(\/files\/[\w-]+)$/.exec(url) || [])[1]
    if (!path) return ''
    const held = this.files[path]
    if (held && held.until > this.client.now()) return held.src
    this.files[path] = { src: held ? held.src : '', until: this.client.now() + 5000 }
    this.client.request(`${path}/link`).then(
      (link) => {
        this.files[path] = { src: /^http/.test(link.url) ? link.url : config.url + link.url, until: Date.parse(link.expires) - 60000 }
        this.draw()
      },
      () => {}, // asked again with the next change
    )
    return this.files[path].src
  },

  // An address may have become old: a fresh one is asked for.
  fileFailed(e) {
    const path = (/\/api\/v1(\/files\/[\w-]+)$/.exec(e.currentTarget.dataset.file) || [])[1]
    if (path && this.files[path]) this.files[path].until = 0
    this.address(e.currentTarget.dataset.file)
  },

  typed(e) {
    this.setData({ text: e.detail.value })
    if (this.session && e.detail.value) this.client.typing(this.session, e.detail.value)
  },

  send() {
    const text = this.data.text.trim()
    if (!text || !this.session) return
    this.setData({ text: '' })
    this.client.send(this.session, text).catch((e) => this.refused(e))
  },

  retry(e) {
    const p = logOf(this.client.state, this.session).pending.find((q) => q.key === e.currentTarget.dataset.key)
    if (p && p.state === 'failed') this.client.retry(p)
  },

  /** Uploads and sends; `more` is what the sender knows better than the server. */
  attach(path, type, more) {
    const { session } = this
    return this.client
      .upload(path)
      .then((body) => this.client.send(session, { ...body, ...more }, { type }))
      .catch((e) => this.refused(e))
  },

  picture() {
    if (!this.session) return
    wx.chooseMedia({
      count: 9,
      mediaType: ['image'],
      sizeType: ['compressed'],
      success: ({ tempFiles }) => {
        // One after the other: they stay in their order.
        tempFiles.reduce((before, f) => before.then(() => this.attach(f.tempFilePath, 'image', {})), Promise.resolve())
      },
    })
  },

  preview(e) {
    const { src } = e.currentTarget.dataset
    if (src) wx.previewImage({ current: src, urls: this.data.rows.filter((r) => r.kind === 'image' && r.src).map((r) => r.src) })
  },

  mode() {
    this.setData({ voice: !this.data.voice })
  },

  recorder() {
    if (this.tape) return this.tape
    const tape = (this.tape = wx.getRecorderManager())
    tape.onStop(({ tempFilePath, duration }) => {
      this.setData({ recording: false })
      if (this.cancelled) return
      if (duration < shortest) wx.showToast({ title: this.data.t.short, icon: 'none' })
      else this.attach(tempFilePath, 'voice', { duration: Math.round(duration / 100) / 10 })
    })
    tape.onError(() => {
      this.setData({ recording: false })
      wx.showToast({ title: this.data.t.denied, icon: 'none' })
    })
    return tape
  },

  talk() {
    if (!this.session) return
    this.cancelled = false
    this.setData({ recording: true })
    this.recorder().start({ duration: longest, format: 'mp3' })
  },

  hush() {
    if (this.tape) this.tape.stop()
  },

  cancel() {
    this.cancelled = true
    this.hush()
  },

  play(e) {
    const { src } = e.currentTarget.dataset
    if (!src) return
    this.sound = this.sound || wx.createInnerAudioContext()
    this.sound.stop()
    this.sound.src = src
    this.sound.play()
  },

  /** What can be done with a message: copied, recalled. */
  menu(e) {
    const { t } = this.data
    const r = this.data.rows.find((x) => x.id === e.currentTarget.dataset.id)
    if (!r || r.kind === 'system' || r.key) return
    const can = [r.kind === 'text' && t.copy, r.recall && t.recall].filter(Boolean)
    if (!can.length) return
    wx.showActionSheet({
      itemList: can,
      success: ({ tapIndex }) => {
        if (can[tapIndex] === t.copy) wx.setClipboardData({ data: r.text })
        else this.client.recall(this.session, r.seq).catch((x) => this.refused(x))
      },
    })
  },

  older() {
    if (!this.data.more || this.reading) return
    this.reading = true
    this.client
      .loadOlder(this.session)
      .catch((e) => this.refused(e))
      .then(() => (this.reading = false))
  },

  rate(e) {
    this.client.rate(this.session, Number(e.currentTarget.dataset.score)).catch((x) => this.refused(x))
  },

  refused(e) {
    const { t } = this.data
    wx.showToast({ title: e.code === 'too_late' ? t.tooLate : filled(t.refused, e.message), icon: 'none' })
  },
})
