import type { en } from './en'

export const zh: Record<keyof typeof en, string> = {
  'desk.title': 'Bellhop 客服工作台', 'desk.sign-in': '登录', 'desk.sign-in.how': '请从您的应用进入本页，或在此粘贴令牌。', 'desk.token': '令牌', 'desk.sign-out': '退出',
  'desk.view.hall': '抢单大厅', 'desk.view.sessions': '会话', 'desk.view.live': '实时', 'desk.view.stats': '统计', 'desk.view.all': '全部会话', 'desk.view.search': '搜索', 'desk.view.settings': '设置',
  'desk.status': '我的状态', 'desk.status.online': '在线', 'desk.status.away': '离开', 'desk.status.offline': '离线', 'desk.load': '{load}/{capacity}', 'desk.sound': '提示音', 'desk.tools': '选项', 'desk.notify': '开启桌面通知',
  'desk.queue': '队列', 'desk.queue.all': '全部队列', 'desk.queues': '队列', 'desk.hall.size': '{n}单等待中', 'desk.hall.rest': '后面还有{n}位在等候', 'desk.hall.empty': '暂无等待的订单', 'desk.hall.empty.next': '有新订单时会立即显示并响铃提醒', 'desk.hall.keys': '↑ ↓ 选择 · G 抢单 · Enter 查看',
  'desk.grab': '抢单', 'desk.grab.taken': '已被 {name} 抢先', 'desk.grab.full': '接待数已满（{load}/{capacity}），请先结束一个会话', 'desk.you': '您', 'desk.priority': '优先级{n}', 'desk.offered-to': '已转给 {name}',
  'desk.next.grab': '从列表中抢单即可回复，或按 Enter 先查看', 'desk.next.wait': '新订单会出现在左侧列表中。请保持页面打开，状态为“在线”时会自动为您分配会话', 'desk.next.pick': '请从列表中选择一个会话', 'desk.next.none': '去大厅抢单，会话会在这里打开',
  'desk.lost.taken': '{by} 接管了您与 {user} 的会话', 'desk.lost.given': '{by} 将您与 {user} 的会话转给了 {to}', 'desk.lost.accepted': '{to} 已接受您与 {user} 的会话', 'desk.lost.to': '{user} 现由 {to} 服务', 'desk.lost.queued': '{by} 将您与 {user} 的会话转到了「{queue}」', 'desk.lost.waits': '您与 {user} 的会话已重新排队（{queue}）',
  'desk.lost.gone': '您已掉线，与 {user} 的会话已转给其他客服排队', 'desk.lost.ended.by': '{by} 结束了您与 {user} 的会话', 'desk.lost.ended.user': '{user} 结束了会话', 'desk.lost.ended.idle': '长时间没有消息，与 {user} 的会话已结束', 'desk.lost.ended': '与 {user} 的会话已结束', 'desk.lost.look': '查看', 'desk.supervision': '主管',
  'desk.sessions.empty': '还没有会话，去大厅抢单吧', 'desk.unread': '{n}条未读', 'desk.state.waiting': '等待中', 'desk.state.serving': '服务中', 'desk.state.transferring': '转接中', 'desk.state.ending': '结束中', 'desk.state.ended': '已结束',
  'desk.chat.with': '与 {name} 的会话', 'desk.back': '返回', 'desk.card': '用户信息', 'desk.card.subject': '主题', 'desk.card.since': '开始时间', 'desk.note': '写内部备注（用户不可见）', 'desk.note.hint': '内部备注，用户不可见', 'desk.write.hint': '输入消息，/ 选择快捷回复',
  'desk.watching': '您正在隐身旁观，悄悄话只有客服可见。', 'desk.whisper': '给客服的悄悄话', 'desk.waiting-still': '等待中，抢单后即可回复。', 'desk.not-yours': '您可以查看此会话，但不能发言。',
  'desk.leave': '离开会话', 'desk.join': '加入协助', 'desk.take-over': '接管', 'desk.more': '更多', 'desk.end': '结束', 'desk.end.now': '立即结束', 'desk.end.sure': '结束此会话？', 'desk.end.asks': '将询问用户问题是否已解决。', 'desk.end.ask': '询问用户',
  'desk.transfer': '转接', 'desk.transfer.note': '给接手同事的备注', 'desk.colleagues': '同事', 'desk.colleagues.none': '没有同事服务此队列', 'desk.offer.cancel': '撤回',
  'desk.offer.title': '有会话转给您', 'desk.offer.from': '来自 {name}', 'desk.offer.again': '用户上次由您服务', 'desk.offer.accept': '接受', 'desk.offer.decline': '拒绝', 'desk.offer.reason': '拒绝原因',
  'desk.label.add': '添加标签', 'desk.label.remove': '移除 {label}', 'desk.canned': '快捷回复', 'desk.canned.none': '没有匹配的快捷回复', 'desk.blocked': '已拉黑', 'desk.block': '拉黑', 'desk.unblock': '解除拉黑', 'desk.block.why': '原因',
}
