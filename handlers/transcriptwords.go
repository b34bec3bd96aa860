package handlers

import "strings"

// words are what a transcript says by itself, in one language. {x} is put in.
type words map[string]string

// say is a text with what is to be put in: its name, then what it is, and so on.
func (w words) say(key string, in ...string) string {
	for i := 0; i < len(in); i += 2 {
		in[i] = "{" + in[i] + "}"
	}
	return strings.NewReplacer(in...).Replace(w[key])
}

// transcriptWords are by language. Each has the same keys, and one for each kind of system message.
var transcriptWords = map[string]words{
	"en": {
		"lang": "en", "title": "Session of {name}", "colon": ": ", "join": ", ", "brackets": " ({x})",
		"user": "user", "agent": "agent", "supervisor": "supervisor", "bot": "bot", "host": "Service", "note": "note",
		"people.user": "User", "people.agent": "Agent", "people.assistants": "Assistants", "labels": "Labels",
		"times": "Times: {zone}", "opened": "Opened", "ended": "Ended", "links": "Links to files work until {time}",
		"state.waiting": "waiting", "state.serving": "in service", "state.transferring": "being handed over", "state.ending": "ending", "state.ended": "ended",
		"image": "picture", "voice": "voice", "video": "video", "file": "file", "card": "card", "recalled": "(recalled)",
		"rated": "{name} rated the session {score} of 5 {stars}",

		"system.opened":                 "The session was opened and waits",
		"system.greeting":               "Welcome",
		"system.offline":                "Nobody is here right now.",
		"system.long-wait":              "It takes longer than usual. A message may be left.",
		"system.opens":                  "Open again from {time}.",
		"system.grabbed":                "{agent} took the session",
		"system.offered":                "The session was offered to {to}",
		"system.offered.by":             "{by} offered the session to {to}",
		"system.declined":               "The offer to {by} came to nothing",
		"system.declined.declined":      "{by} declined the offer",
		"system.declined.cancelled":     "The offer to {by} was withdrawn",
		"system.declined.expired":       "{by} did not answer the offer in time",
		"system.transferred":            "The session went to {to}",
		"system.transferred.from":       "The session went from {from} to {to}",
		"system.transferred.takeover":   "{to} took the session over from {from}",
		"system.transferred.queue":      "The session was put into the queue {queue}",
		"system.transferred.queue.by":   "{by} put the session into the queue {queue}",
		"system.joined":                 "{agent} joined",
		"system.left":                   "{agent} left",
		"system.requeued":               "The session waits again, ahead of the queue",
		"system.requeued.agent-gone":    "The agent lost the connection; the session waits again, ahead of the queue",
		"system.ending":                 "The user was asked whether everything is solved",
		"system.ending.by":              "{by} asked the user whether everything is solved",
		"system.idle-warning":           "Nobody has written for a while; the session ends in {seconds} seconds",
		"system.ended":                  "The session ended",
		"system.ended.by":               "{by} ended the session",
		"system.ended.reason.idle":      "The session ended, since nobody wrote",
		"system.ended.reason.abandoned": "The session ended, since the user was away",
		"system.reopened":               "The session was opened again and waits",
		"system.recalled":               "A message was recalled",
	},
	"zh": {
		"lang": "zh-CN", "title": "{name} 的会话", "colon": "：", "join": "、", "brackets": "（{x}）",
		"user": "用户", "agent": "客服", "supervisor": "主管", "bot": "机器人", "host": "客服", "note": "内部备注",
		"people.user": "用户", "people.agent": "客服", "people.assistants": "协助客服", "labels": "标签",
		"times": "时间：{zone}", "opened": "开始", "ended": "结束", "links": "文件链接有效期至 {time}",
		"state.waiting": "等待中", "state.serving": "服务中", "state.transferring": "转接中", "state.ending": "结束中", "state.ended": "已结束",
		"image": "图片", "voice": "语音", "video": "视频", "file": "文件", "card": "卡片", "recalled": "（已撤回）",
		"rated": "{name} 评价了本次会话：{score}分 {stars}",

		"system.opened":                 "会话已创建，进入排队",
		"system.greeting":               "欢迎",
		"system.offline":                "当前没有客服在线。",
		"system.long-wait":              "等待时间较长，可以先留言。",
		"system.opens":                  "{time} 恢复服务。",
		"system.grabbed":                "{agent} 接入会话",
		"system.offered":                "会话转接给 {to}，等待接受",
		"system.offered.by":             "{by} 将会话转接给 {to}，等待接受",
		"system.declined":               "转接给 {by} 未成功",
		"system.declined.declined":      "{by} 拒绝了转接",
		"system.declined.cancelled":     "转接给 {by} 已取消",
		"system.declined.expired":       "{by} 未及时接受转接",
		"system.transferred":            "会话转给 {to}",
		"system.transferred.from":       "会话由 {from} 转给 {to}",
		"system.transferred.takeover":   "{to} 从 {from} 处接管会话",
		"system.transferred.queue":      "会话转到队列「{queue}」",
		"system.transferred.queue.by":   "{by} 将会话转到队列「{queue}」",
		"system.joined":                 "{agent} 加入会话",
		"system.left":                   "{agent} 离开会话",
		"system.requeued":               "会话重新优先排队",
		"system.requeued.agent-gone":    "客服掉线，会话重新优先排队",
		"system.ending":                 "已询问用户问题是否解决",
		"system.ending.by":              "{by} 询问用户问题是否解决",
		"system.idle-warning":           "长时间没有消息，会话将在{seconds}秒后结束",
		"system.ended":                  "会话已结束",
		"system.ended.by":               "{by} 结束了会话",
		"system.ended.reason.idle":      "长时间没有消息，会话已结束",
		"system.ended.reason.abandoned": "用户已离开，会话已结束",
		"system.reopened":               "会话已重新打开，进入排队",
		"system.recalled":               "一条消息已撤回",
	},
}
