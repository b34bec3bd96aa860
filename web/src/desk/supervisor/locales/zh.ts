import type { en } from './en'

export const zh: Record<keyof typeof en, string> = {
  'sup.waiting': '等待中', 'sup.serving': '服务中', 'sup.online': '在线客服', 'sup.room': '空闲名额', 'sup.oldest': '最长等待', 'sup.first-response': '首次响应', 'sup.first-response.95': '首次响应（95%）', 'sup.bots-first-response': '机器人首次响应', 'sup.bots-handling': '机器人处理时长',
  'sup.agents': '客服', 'sup.agent': '客服', 'sup.status': '状态', 'sup.load': '接待量', 'sup.disabled': '停用', 'sup.user': '用户', 'sup.state': '状态', 'sup.rating': '评分', 'sup.occupancy': '占用率',
  'sup.range': '时间范围', 'sup.range.day': '24小时', 'sup.range.week': '7天', 'sup.range.month': '30天', 'sup.csv': '导出表格（CSV）', 'sup.opened': '新会话', 'sup.grabbed': '接单', 'sup.ended': '已结束', 'sup.abandoned': '放弃',
  'sup.waiting-time': '等待时长', 'sup.handling': '处理时长', 'sup.handling.95': '处理时长（95%）', 'sup.empty': '这段时间没有数据', 'sup.by-time': '会话数（按时间）', 'sup.response-by-time': '等待与首次响应（秒）', 'sup.handling-by-time': '处理时长（秒）', 'sup.by-agent': '会话数（按客服）', 'sup.others': '其他',
  'sup.filter.agent': '客服ID', 'sup.filter.user': '用户ID', 'sup.filter.label': '标签', 'sup.transcript': '聊天记录', 'sup.export': '导出', 'sup.more': '更多', 'sup.search': '搜索全部消息', 'sup.search.none': '没有找到',
  'sup.queue.new': '队列ID', 'sup.queue.add': '设置', 'sup.save': '保存', 'sup.saved': '已保存', 'sup.seconds': '秒', 'sup.capacity': '接待上限', 'sup.routing.grab': '抢单', 'sup.routing.auto': '自动分配',
  'sup.set.name': '名称', 'sup.set.routing': '分配方式', 'sup.set.routing.help': '自动分配：分给在线且接待量最少的客服。以下时长为0表示永不发生。', 'sup.set.offerTimeout': '转接等待', 'sup.set.endTimeout': '结束确认等待', 'sup.set.idleTimeout': '无消息自动结束',
  'sup.set.abandonTimeout': '等待用户离线后结束', 'sup.set.agentGrace': '客服掉线宽限', 'sup.set.reopenWindow': '可重新打开的时间', 'sup.set.sticky': '优先上次客服的时间', 'sup.set.patience': '多久后可留言', 'sup.set.priority': '优先级（0–9）', 'sup.set.bot': '优先接待的机器人',
  'sup.set.greeting': '欢迎语', 'sup.set.offline': '非服务时间提示', 'sup.set.hours': '服务时间（JSON，留空为全天）', 'sup.set.hours.wrong': '服务时间不是有效的JSON',
}
