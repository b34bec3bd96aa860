const { filled } = require('./texts')

/** How long a message may be taken back, in ms; the server decides. */
const recallable = 120000
const two = (n) => (n < 10 ? '0' : '') + n
const clock = (at) => `${two(new Date(at).getHours())}:${two(new Date(at).getMinutes())}`

function systemText(m, t) {
  const body = m.body || {}
  switch (body.what) {
    case 'opened':
      return t.opened
    case 'greeting':
    case 'offline':
      return body.text || ''
    case 'grabbed':
      return filled(t.grabbed, (body.agent && body.agent.name) || body.by || '')
    case 'transferred':
    case 'requeued':
      return t.transferred
    case 'ending':
      return t.ending
    case 'idle-warning':
      return t.idle
    case 'ended':
      return t.ended
    case 'long-wait':
      return body.text || t.waiting
    default:
      return ''
  }
}

/** What is shown of one message; undefined where nothing is. */
function row(m, me, now, t) {
  const body = m.body
  const mine = m.from.id === me && m.from.role === 'user'
  const base = { id: `m${m.seq}`, seq: m.seq, mine, name: mine ? '' : m.from.name, time: clock(m.at) }
  if (m.type === 'system') {
    const text = systemText(m, t)
    return text ? { ...base, kind: 'system', text } : undefined
  }
  if (m.recalled) return { ...base, kind: 'system', text: t.recalled }
  const recall = mine && now - Date.parse(m.at) < recallable
  if (m.type === 'text') return { ...base, kind: 'text', text: String(body), recall }
  if (m.type === 'image') return { ...base, kind: 'image', file: body.url, recall }
  if (m.type === 'voice') return { ...base, kind: 'voice', file: body.url, text: filled(t.play, Math.max(1, Math.round(body.duration || 0))), recall }
  return { ...base, kind: 'text', text: body && body.name ? `${t.file} ${body.name}` : t.other, recall }
}

/** What is shown of a log: its messages, then what is being sent. */
function rowsOf(log, me, now, t) {
  const rows = log.messages.map((m) => row(m, me, now, t)).filter(Boolean)
  for (const p of log.pending) {
    const m = { seq: 0, from: { id: me, role: 'user', name: '' }, type: p.type, body: p.body, at: p.at }
    rows.push({ ...row(m, me, now, t), id: `p${p.key}`, key: p.key, recall: false, sending: p.state === 'sending', failed: p.state === 'failed' })
  }
  return rows
}

module.exports = { rowsOf }
