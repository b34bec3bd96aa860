import type { en } from './en'

export const zh: Record<keyof typeof en, string> = {
  'close': '关闭', 'cancel': '取消', 'retry': '重试', 'discard': '删除', 'send': '发送', 'copy': '复制', 'reply': '引用', 'recall': '撤回', 'loading': '加载中',
  'sending': '发送中', 'delivered': '已送达', 'read': '已读', 'write': '输入消息', 'attach': '发送文件', 'emoji': '表情', 'keyboard': '键盘',
  'messages': '消息', 'to-bottom': '回到最新消息', 'new-messages': '{n}条新消息', 'note': '内部备注', 'host': '客服',
  'message.by': '{name}，{time}', 'message.actions': '消息操作', 'uploading': '正在上传 {name}',
  'recalled': '已撤回', 'recalled.own': '你撤回了一条消息', 'recalled.by': '{name} 撤回了一条消息', 'quote.older': '更早的消息',
  'picture': '图片', 'picture.open': '查看图片', 'picture.play': '查看动图', 'image': '图片', 'voice': '语音', 'video': '视频', 'file': '文件', 'card': '卡片', 'file.gone': '无法查看',
  'voice.play': '播放语音，{time}', 'voice.pause': '暂停，{time}', 'voice.switch': '语音消息', 'voice.hold': '按住 说话', 'voice.release': '松开 发送',
  'voice.slide': '上滑取消', 'voice.cancelling': '松开 取消', 'voice.denied': '未获得麦克风权限', 'voice.unsupported': '此浏览器不支持录音', 'voice.short': '说话时间太短',
  'asked': '发送这{n}个文件？', 'asked.send': '发送（{n}）', 'asked.remove': '移除 {name}', 'asked.seen': '文件不是备注，客户会看到。', 'asked.most': '一次最多{n}个文件', 'asked.empty': '此文件夹中没有文件',
  'typing': '{name} 正在输入…', 'broken': '无法显示此内容。',

  'system.opened': '已进入排队', 'system.opened.staff': '进入排队', 'system.offline': '当前没有客服在线。', 'system.long-wait': '等待时间较长，您可以先留言，我们会尽快回复。',
  'system.opens': '我们将于 {time} 恢复服务。', 'system.grabbed': '{name} 为您服务', 'system.offered': '已转接给 {name}，等待接受', 'system.declined': '转接被拒绝', 'system.not-accepted': '转接未被接受',
  'system.to-queue': '已转到「{queue}」', 'system.transferred': '{name} 接手为您服务', 'system.joined': '{name} 加入会话', 'system.left': '{name} 离开会话',
  'system.requeued.staff': '客服掉线，已优先重新排队', 'system.requeued': '客服掉线了，已为您优先排队。', 'system.ending': '您的问题解决了吗？', 'system.idle-warning': '长时间没有消息，会话将在{seconds}秒后结束。',
  'system.ended': '会话已结束', 'system.ended.idle': '长时间没有消息，会话已结束', 'system.ended.abandoned': '您已离开，会话已结束', 'system.reopened': '会话已重新打开',

  'error.bad_request': '无法发送此内容', 'error.forbidden': '没有权限', 'error.blocked': '您已无法在此发言', 'error.ended': '会话已结束', 'error.too_large': '太大了', 'error.too_long': '太长了：文字不超过约5000字', 'error.unauthorized': '登录已过期',
  'error.empty': '文件是空的', 'error.unreadable': '无法读取：文件已移动或修改，或者是文件夹', 'error.proxy': '文件太大，此服务器不接受',
  'error.file.too_large': '文件太大：不超过20 MB', 'error.file.refused': '服务器不接受此文件', 'error.file.later': '发送的文件太多，请{minutes}分钟后再试', 'error.file.soon': '一次发送的文件太多，请{seconds}秒后再试',
  'error.wrong_state': '当前无法进行此操作', 'error.rate_limited': '操作太快，请稍候', 'error.unavailable': '服务器没有响应，请检查网络', 'error.overloaded': '服务器繁忙，请稍后再试', 'error.taken': '已被他人抢先',
  'error.full': '接待数已满', 'error.no_agent': '该客服当前不可用', 'error.too_late': '已超过时限', 'error.not_found': '未找到', 'error.internal': '出错了',

  'link.connecting': '连接中…', 'link.waiting': '网络已断开，{seconds}秒后重试', 'link.now': '立即重试', 'link.replaced': '已在其他窗口打开', 'link.unauthorized': '登录已过期，请从原来的入口重新打开',
  'link.blocked': '您已无法使用此服务', 'link.closed': '已断开连接', 'link.resuming': '正在接收消息…',

  'chat.title': '在线客服', 'chat.start': '开始咨询', 'chat.subject': '想咨询什么？', 'chat.subject.hint': '例如：订单1234', 'chat.none': '有什么可以帮您？', 'chat.waiting': '您排在第{position}位',
  'chat.waiting.soon': '客服马上就来', 'chat.wait.about': '预计{minutes}分钟', 'chat.wait.short': '不到1分钟', 'chat.end': '结束', 'chat.end.sure': '确定结束会话吗？', 'chat.solved': '已解决', 'chat.not-solved': '还没有',
  'chat.rate': '请评价本次服务', 'chat.rate.star': '{n}星', 'chat.rate.comment': '还有什么想说的？', 'chat.rate.send': '提交评价', 'chat.rated': '感谢您的评价！', 'chat.reopen': '继续咨询', 'chat.new': '新的咨询', 'chat.earlier': '历史会话',
  'chat.no-access': '缺少访问凭证', 'chat.no-access.how': '请从提供客服的应用或网站打开。', 'chat.leave-message': '请留言，我们会回复您。',

  'language': 'English', 'theme': '深色/浅色',
}
