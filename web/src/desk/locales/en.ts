// The workbench's own texts; what all pages say is in lib/locales.
export const en = {
  'desk.title': 'Bellhop Desk', 'desk.sign-in': 'Sign in', 'desk.sign-in.how': 'Your application opens this page with your token. You may also paste one here.', 'desk.token': 'Token', 'desk.sign-out': 'Sign out',
  'desk.view.hall': 'Hall', 'desk.view.sessions': 'Chats', 'desk.view.live': 'Live', 'desk.view.stats': 'Figures', 'desk.view.all': 'Sessions', 'desk.view.search': 'Search', 'desk.view.settings': 'Settings',
  'desk.status': 'My status', 'desk.status.online': 'Online', 'desk.status.away': 'Away', 'desk.status.offline': 'Offline', 'desk.load': '{load} of {capacity}', 'desk.sound': 'Sounds', 'desk.notify': 'Allow notifications',
  'desk.queue': 'Queue', 'desk.queue.all': 'All queues', 'desk.queues': 'Queues', 'desk.hall.size': '{n} {n|waits|wait}', 'desk.hall.empty': 'Nobody waits.', 'desk.hall.keys': '↑ ↓ pick · G grab · Enter look',
  'desk.grab': 'Grab', 'desk.grab.taken': '{name} was faster.', 'desk.grab.full': 'You have {load} of {capacity}: end one first.', 'desk.you': 'You', 'desk.priority': 'Priority {n}', 'desk.offered-to': 'offered to {name}',
  'desk.sessions.empty': 'No chats yet. Grab one in the hall.', 'desk.unread': '{n} unread', 'desk.state.waiting': 'waiting', 'desk.state.serving': 'in service', 'desk.state.transferring': 'being handed over', 'desk.state.ending': 'ending', 'desk.state.ended': 'ended',
  'desk.chat.with': 'Chat with {name}', 'desk.back': 'Back', 'desk.card': 'About the user', 'desk.card.subject': 'Subject', 'desk.card.since': 'Since', 'desk.note': 'Write a note that users never see', 'desk.note.hint': 'A note for colleagues', 'desk.write.hint': 'Write, or / for canned replies',
  'desk.watching': 'You watch unseen. Your whispers are notes to those who serve.', 'desk.whisper': 'Whisper to the agent', 'desk.waiting-still': 'It waits. Grab it to answer.', 'desk.not-yours': 'You can read this, not write in it.',
  'desk.leave': 'Leave', 'desk.join': 'Join as an assistant', 'desk.take-over': 'Take over', 'desk.more': 'More', 'desk.end': 'End', 'desk.end.now': 'End at once', 'desk.end.sure': 'End this chat?', 'desk.end.asks': 'The user is asked whether everything is solved.', 'desk.end.ask': 'Ask the user',
  'desk.transfer': 'Transfer', 'desk.transfer.note': 'A note for whoever takes it', 'desk.colleagues': 'Colleagues', 'desk.colleagues.none': 'No colleague serves this queue.', 'desk.offer.cancel': 'Take back',
  'desk.offer.title': 'A chat for you', 'desk.offer.from': 'from {name}', 'desk.offer.again': 'the user was with you before', 'desk.offer.accept': 'Accept', 'desk.offer.decline': 'Decline', 'desk.offer.reason': 'Why not?',
  'desk.label.add': 'Add a label', 'desk.label.remove': 'Remove {label}', 'desk.canned': 'Canned replies', 'desk.canned.none': 'No canned reply begins like this.', 'desk.blocked': 'Blocked', 'desk.block': 'Block', 'desk.unblock': 'Unblock', 'desk.block.why': 'Why?',
} as const
