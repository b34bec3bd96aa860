// English, and the list of all keys.
export const en = {
  'close': 'Close', 'cancel': 'Cancel', 'retry': 'Retry', 'discard': 'Delete', 'send': 'Send', 'copy': 'Copy', 'reply': 'Reply', 'recall': 'Recall', 'loading': 'Loading',
  'sending': 'Sending', 'delivered': 'Delivered', 'read': 'Read', 'write': 'Write a message', 'attach': 'Attach a file', 'emoji': 'Emoji', 'keyboard': 'Keyboard',
  'messages': 'Messages', 'to-bottom': 'To the newest message', 'new-messages': '{n} {n|new message|new messages}', 'note': 'note', 'host': 'Service',
  'message.by': '{name}, {time}', 'message.actions': 'What to do with this message', 'uploading': 'Uploading {name}',
  'recalled': 'recalled', 'recalled.own': 'You recalled a message', 'recalled.by': '{name} recalled a message', 'quote.older': 'An earlier message',
  'picture': 'Picture', 'picture.open': 'Open the picture', 'picture.play': 'Open the picture, which moves', 'image': 'Picture', 'voice': 'Voice', 'video': 'Video', 'file': 'File', 'card': 'Card', 'file.gone': 'not available',
  'voice.play': 'Play voice message, {time}', 'voice.pause': 'Pause, {time}', 'voice.switch': 'Voice message', 'voice.hold': 'Hold to talk', 'voice.release': 'Release to send',
  'voice.slide': 'Slide up to cancel', 'voice.cancelling': 'Release to cancel', 'voice.denied': 'The microphone is not allowed.', 'voice.unsupported': 'This browser cannot record.', 'voice.short': 'Too short.',
  'asked': 'Send {n} {n|file|files}?', 'asked.send': 'Send {n}', 'asked.remove': 'Remove {name}', 'asked.seen': 'Not a note: the customer will see it.', 'asked.most': 'At most {n} files at once.', 'asked.empty': 'There is no file in this folder.',
  'typing': '{name} is typing…', 'broken': 'This cannot be shown.',

  'system.opened': 'You are in the queue', 'system.opened.staff': 'In the queue', 'system.offline': 'Nobody is here right now.', 'system.long-wait': 'It takes longer than usual. Leave a message, and you will get an answer.',
  'system.opens': 'We are back {time}.', 'system.grabbed': '{name} is here for you', 'system.offered': 'Offered to {name}', 'system.declined': 'The offer was declined', 'system.not-accepted': 'The offer was not accepted',
  'system.to-queue': 'Handed over to {queue}', 'system.transferred': '{name} takes over', 'system.joined': '{name} joined', 'system.left': '{name} left',
  'system.requeued.staff': 'The agent has lost the connection. Waits again, first in line', 'system.requeued': 'Your agent has lost the connection. You are first in line for another one.', 'system.ending': 'Is everything solved?', 'system.idle-warning': 'Nobody has written for a while. This ends in {seconds} {seconds|second|seconds}.',
  'system.ended': 'Ended', 'system.ended.idle': 'Ended, since nobody wrote', 'system.ended.abandoned': 'Ended, since nobody was here', 'system.reopened': 'Opened again',

  'error.bad_request': 'This cannot be sent.', 'error.forbidden': 'Not allowed.', 'error.blocked': 'You cannot write here any more.', 'error.ended': 'The conversation has ended.', 'error.too_large': 'Too large.', 'error.too_long': 'Too long: at most 16,000 letters.', 'error.unauthorized': 'Your access has expired.',
  'error.empty': 'This file is empty.', 'error.unreadable': 'This cannot be read. It was moved or changed, or is a folder.', 'error.proxy': 'Too large for this server.',
  'error.file.too_large': 'Too large: a file may have 20 MB.', 'error.file.refused': 'The server does not take this file.', 'error.file.later': 'Too many files. Try again in {minutes} {minutes|minute|minutes}.', 'error.file.soon': 'Too many files at once. Try again in {seconds} {seconds|second|seconds}.',
  'error.wrong_state': 'Not possible at this moment.', 'error.rate_limited': 'Too fast. Wait a moment.', 'error.unavailable': 'No answer from the server. Is there a connection?', 'error.overloaded': 'The server is busy. Try again soon.', 'error.taken': 'Somebody else was faster.',
  'error.full': 'No room for another one.', 'error.no_agent': 'That agent is not available.', 'error.too_late': 'Too late for that.', 'error.not_found': 'Not found.', 'error.internal': 'Something went wrong.',

  'link.connecting': 'Connecting…', 'link.waiting': 'No connection. Trying again in {seconds} s', 'link.now': 'Try now', 'link.replaced': 'Open in another window.', 'link.unauthorized': 'Your access has expired. Open this page again from where you came.',
  'link.blocked': 'You cannot use this chat any more.', 'link.closed': 'Disconnected.', 'link.resuming': 'Reading what you missed…',

  'chat.title': 'Customer service', 'chat.start': 'Start', 'chat.subject': 'What is it about?', 'chat.subject.hint': 'For example: my order 1234', 'chat.none': 'Ask us anything.', 'chat.waiting': 'You are number {position} in line',
  'chat.waiting.soon': 'Somebody will be here in a moment', 'chat.wait.about': 'about {minutes} {minutes|minute|minutes}', 'chat.wait.short': 'less than a minute', 'chat.end': 'End', 'chat.end.sure': 'End this conversation?', 'chat.solved': 'Yes, it is', 'chat.not-solved': 'No, go on',
  'chat.rate': 'How was it?', 'chat.rate.star': '{n} {n|star|stars}', 'chat.rate.comment': 'Anything to add?', 'chat.rate.send': 'Send rating', 'chat.rated': 'Thank you for rating!', 'chat.reopen': 'Go on with this', 'chat.new': 'New question', 'chat.earlier': 'Earlier conversations',
  'chat.no-access': 'This page needs an access token', 'chat.no-access.how': 'Open it from the app or site that offers this chat.', 'chat.leave-message': 'Leave a message; we will answer it.',

  'language': '中文', 'theme': 'Dark or light',
} as const
