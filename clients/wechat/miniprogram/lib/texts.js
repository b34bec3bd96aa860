const zh = {
  title: '在线客服', placeholder: '输入消息', send: '发送', picture: '图片', hold: '按住 说话', release: '松开 发送', keyboard: '键盘', voice: '语音',
  connecting: '连接中…', offline: '网络已断开，正在重连…', closed: '连接已关闭', waiting: '正在排队', position: '前面还有 {n} 位', ended: '会话已结束', again: '重新咨询',
  recall: '撤回', copy: '复制', recalled: '消息已撤回', tooLate: '已超过两分钟，不能撤回', failed: '发送失败，点击重试', refused: '操作失败：{n}', older: '查看更早的消息',
  unread: '{n} 条新消息', file: '[文件]', other: '[消息]', rate: '请评价本次服务', denied: '没有录音权限', short: '说话时间太短', play: '语音 {n}″', missing: '图片无法显示',
  grabbed: '{n} 为您服务', transferred: '已转接', ending: '客服请求结束会话', idle: '长时间没有消息，会话即将结束', opened: '会话已开始',
}
const en = {
  title: 'Customer service', placeholder: 'Message', send: 'Send', picture: 'Picture', hold: 'Hold to talk', release: 'Release to send', keyboard: 'Keyboard', voice: 'Voice',
  connecting: 'Connecting…', offline: 'No connection. Trying again…', closed: 'The connection is closed', waiting: 'Waiting for an agent', position: '{n} before you', ended: 'The conversation has ended', again: 'Ask again',
  recall: 'Recall', copy: 'Copy', recalled: 'This message was recalled', tooLate: 'After two minutes a message cannot be recalled', failed: 'Not sent. Tap to try again', refused: 'That did not work: {n}', older: 'Earlier messages',
  unread: '{n} new', file: '[File]', other: '[Message]', rate: 'How was it?', denied: 'No permission to record', short: 'Too short', play: 'Voice {n}″', missing: 'This picture cannot be shown',
  grabbed: '{n} is here to help', transferred: 'Passed on to a colleague', ending: 'The agent would like to end the conversation', idle: 'Nothing was said for long: the conversation will end', opened: 'The conversation has begun',
}

/** The texts of a language of WeChat's, such as `zh_CN` or `en`. */
const textsOf = (language) => (/^zh/i.test(language || '') ? zh : en)

/** A text with what it has a place for. */
const filled = (text, n) => text.replace('{n}', String(n))

module.exports = { textsOf, filled, zh, en }
