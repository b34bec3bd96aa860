package demo

import (
	"encoding/json"
	"strings"

	"bellhop/client"
)

// botPerson is who a bot is. Names say that they are bots.
type botPerson struct {
	id, name, lang, city string
	priority             int
	queues               []string // an agent's
}

const botPrefix = "bot-"

func isBot(id string) bool { return strings.HasPrefix(id, botPrefix) }

// There are so many users at once, and no more.
var botUsers = []botPerson{
	{id: botPrefix + "lily", name: "Lily (bot)", lang: "en", city: "Leeds"},
	{id: botPrefix + "tom", name: "Tom (bot)", lang: "en", city: "Dublin"},
	{id: botPrefix + "nora", name: "Nora (bot)", lang: "en", city: "Oslo", priority: 5},
	{id: botPrefix + "jack", name: "Jack (bot)", lang: "en", city: "Boston"},
	{id: botPrefix + "emma", name: "Emma (bot)", lang: "en", city: "Toronto"},
	{id: botPrefix + "oscar", name: "Oscar (bot)", lang: "en", city: "Perth"},
	{id: botPrefix + "wangfang", name: "王芳（机器人）", lang: "zh", city: "杭州"},
	{id: botPrefix + "lilei", name: "李雷（机器人）", lang: "zh", city: "北京"},
	{id: botPrefix + "hanmei", name: "韩梅（机器人）", lang: "zh", city: "成都", priority: 5},
	{id: botPrefix + "zhangwei", name: "张伟（机器人）", lang: "zh", city: "广州"},
	{id: botPrefix + "liuyang", name: "刘洋（机器人）", lang: "zh", city: "西安"},
	{id: botPrefix + "chenjing", name: "陈静（机器人）", lang: "zh", city: "上海"},
}

var botAgents = []botPerson{
	{id: botPrefix + "grace", name: "Grace (bot)", queues: []string{"default", "sales"}},
	{id: botPrefix + "peter", name: "Peter (bot)", queues: []string{"default", "returns"}},
	{id: botPrefix + "xiaozhou", name: "小周（机器人）", queues: []string{"sales", "returns"}},
	{id: botPrefix + "xiaowu", name: "小吴（机器人）", queues: Queues},
}

// Queues are those that bots write and answer in.
var Queues = []string{"default", "sales", "returns"}

var botQueueSettings = map[string]map[string]any{
	"default": {"name": "General 综合", "endTimeout": 30, "greeting": "Welcome! Somebody will be with you in a moment. 欢迎！马上有人为您服务。"},
	"sales":   {"name": "Sales 售前", "endTimeout": 30, "greeting": "Welcome to sales! What are you looking for? 欢迎光临！想看点什么？"},
	"returns": {"name": "Returns 退换", "endTimeout": 30, "priority": 1, "greeting": "Something is wrong with your order? We will sort it out. 订单有问题？我们来解决。"},
}

// botReplies are kept ready for people, too: `/hi` in the desk.
var botReplies = []client.Canned{
	{ID: "demo-hi", Shortcut: "hi", Title: "Welcome", Text: "Hello {{user.name}}, this is {{agent.name}}. I am having a look."},
	{ID: "demo-nihao", Shortcut: "你好", Title: "欢迎", Text: "{{user.name}}您好，我是{{agent.name}}，正在为您查看。"},
	{ID: "demo-wait", Shortcut: "wait", Title: "One moment", Text: "One moment, please: I am looking into “{{session.subject}}”."},
	{ID: "demo-shaodeng", Shortcut: "稍等", Title: "请稍等", Text: "请稍等，正在核实“{{session.subject}}”。"},
	{ID: "demo-label", Queue: "returns", Shortcut: "label", Title: "Return label", Text: "The label for order {{meta.order}} is in your mail. Put it on the parcel and drop it at any post office."},
	{ID: "demo-miandan", Queue: "returns", Shortcut: "面单", Title: "退货面单", Text: "订单{{meta.order}}的退货面单已发到您的邮箱，贴好后交给任意快递点即可。"},
	{ID: "demo-induction", Queue: "sales", Shortcut: "induction", Title: "Induction", Text: "Our iron and steel kettles work on induction, the copper ones do not."},
	{ID: "demo-diancilu", Queue: "sales", Shortcut: "电磁炉", Title: "电磁炉", Text: "铁壶和钢壶可用于电磁炉，铜壶不行。"},
}

// What agents say to people.
const (
	botHelloEn = "Hello! I am one of the demo's bots and answer with ready texts. For a real chat, open “be an agent” in another window: " +
		"I leave orders of people alone for 25 seconds, so that you can grab them."
	botHelloZh = "您好！我是演示机器人，只会说准备好的话。想要真正的对话，请在另一个窗口“当客服”：真人的订单我会等25秒，您可以先抢。"
)

var (
	botChatEn = []string{"Thank you for trying Bellhop.", "I see. Pictures, voice and files work here, too; try one.",
		"Noted. You may also quote a message, or take one of yours back.", "A person would know more. I only pass the time."}
	botChatZh = []string{"感谢试用 Bellhop。", "明白了。这里也能发图片、语音和文件，试试看。", "记下了。您还可以引用消息，或撤回自己的消息。", "真人懂得更多，我只是陪您聊聊。"}
)

// story is a consultation that bots play: lines in turn, the user's first.
type story struct {
	id, lang, queue, subject, order, label, note string
	user, agent                                  []string
	// to is the queue that it goes to at the agent's line number turn.
	to   string
	turn int
}

// text is one of two by the story's language.
func (s story) text(en, zh string) string {
	if s.lang == "zh" {
		return zh
	}
	return en
}

func storiesIn(lang string) []story {
	var all []story
	for _, s := range stories {
		if s.lang == lang {
			all = append(all, s)
		}
	}
	return all
}

// storyOf is the one that a bot's session tells, by its meta.
func storyOf(s client.Session) (story, bool) {
	var meta struct {
		Demo string `json:"demo"`
	}
	_ = json.Unmarshal(s.Meta, &meta) // whatever else it is: no story
	for _, st := range stories {
		if isBot(s.User.ID) && st.id == meta.Demo {
			return st, true
		}
	}
	return story{lang: language(s.Subject, "en")}, false
}

var stories = []story{
	{id: "login", lang: "en", queue: "default", subject: "Cannot log in", label: "account",
		user:  []string{"Hi, I can't log in any more since this morning.", "No, no mail with a code. I looked in spam, too.", "Yes! It came just now. Thank you so much 😊"},
		agent: []string{"Sorry about that. Do you get the mail with the code?", "I have just sent it again, from another server. Do you see it?", "Wonderful. Enjoy your day!"}},
	{id: "address", lang: "en", queue: "default", subject: "Change of address", order: "B2207", label: "vip", note: "Third order this month: please be quick.",
		user:  []string{"I moved last week. Can order B2207 go to my new address?", "14 Mill Lane, Leeds LS1 4AB", "Perfect, thanks!"},
		agent: []string{"It can, it has not left yet. What is the new address?", "Changed: 14 Mill Lane, Leeds LS1 4AB. It leaves tomorrow.", "You are welcome. Anything else, just write."}},
	{id: "bulk", lang: "en", queue: "sales", subject: "Forty mugs for an office", label: "b2b",
		user:  []string{"Hello, do you have a price for forty of the blue mugs?", "With a logo, one colour. When could we have them?", "That works. Please send the offer by mail.", "Great, thank you!"},
		agent: []string{"We do: 15 % off from 24 on. With or without your logo?", "With the logo it is two weeks, €9.80 each.", "It is on its way to you.", "Thank you for thinking of us!"}},
	{id: "kettle", lang: "en", queue: "sales", subject: "Kettle on induction?", to: "returns", turn: 1,
		user:  []string{"Does the copper kettle work on an induction hob?", "Oh no, I already bought one. Can I still send it back?", "Order B1984, three weeks ago.", "That is very kind. Thanks!"},
		agent: []string{"I am afraid it does not: copper needs gas or a hot plate. The iron one does.", "Of course. What is the order's number?", "Found it. You have 30 days, the label is in your mail.", "Gladly. The iron one is in stock, by the way 🙂"}},
	{id: "broken", lang: "en", queue: "returns", subject: "A cup arrived broken", order: "B2051", label: "damaged",
		user:  []string{"One of the six cups in order B2051 arrived in pieces 😞", "The green one. Do you need a picture?", "Another one, please.", "Super, thank you!"},
		agent: []string{"What a pity! Which one is it?", "No, I believe you. Would you like another one, or the money back?", "A new green cup leaves today, free of charge.", "Sorry again for the trouble."}},
	{id: "refund", lang: "en", queue: "returns", subject: "Where is my refund?", order: "B1790", label: "refund",
		user:  []string{"You got my parcel ten days ago, and there is still no refund.", "B1790", "Alright, then I wait until Friday. Thank you."},
		agent: []string{"That is too long, I agree. What is the order's number?", "It left us yesterday. Your bank shows it by Friday at the latest.", "If it does not, write to me and I will call the bank."}},
	{id: "code-zh", lang: "zh", queue: "default", subject: "收不到验证码", label: "账号",
		user:  []string{"你好，登录时一直收不到验证码", "换了号码，是不是因为这个？", "收到了，可以登录了，谢谢！"},
		agent: []string{"您好，最近换过手机号吗？", "是的，我帮您更新了绑定，请再试一次。", "不客气，祝您生活愉快！"}},
	{id: "invoice-zh", lang: "zh", queue: "default", subject: "开电子发票", order: "A3310", label: "发票",
		user:  []string{"请问订单A3310可以开发票吗？", "抬头是杭州云帆科技有限公司", "收到邮件了，多谢", "没有了，再见"},
		agent: []string{"可以的，请告诉我抬头。", "已开好电子发票，发到您的邮箱了。", "还有其他可以帮您的吗？", "感谢咨询，再见！"}},
	{id: "tea-zh", lang: "zh", queue: "sales", subject: "送礼选什么茶", label: "新客",
		user:  []string{"想买茶送长辈，预算三百左右，有推荐吗？", "他喜欢浓一点的", "好的，就这款，能附贺卡吗？", "太好了，我去下单"},
		agent: []string{"请问长辈平时口味偏浓还是偏淡？", "推荐熟普礼盒，醇厚不刺激，现价288。", "可以，下单时备注贺卡内容就行。", "感谢支持，今天下单明天发货🎁"}},
	{id: "group-zh", lang: "zh", queue: "sales", subject: "公司团购", to: "returns", turn: 1, label: "团购",
		user:  []string{"公司要五十套茶具，有优惠吗？", "上次买的有两个杯子有裂，能先处理吗？", "订单A2876", "处理得很快，谢谢"},
		agent: []string{"五十套可以打八五折。", "当然可以，请告诉我上次的订单号。", "已安排补发两个杯子，免运费，今天寄出。", "应该的，团购价也给您保留三天。"}},
	{id: "return-zh", lang: "zh", queue: "returns", subject: "申请退货", order: "A2954", label: "退货",
		user:  []string{"水壶买大了，能退吗？订单A2954", "没用过，包装还在", "好的，明天寄出", "谢谢客服"},
		agent: []string{"您好，请问用过了吗？", "可以退，面单已发到邮箱，贴上寄回即可。", "收到后两个工作日内退款。", "不客气！"}},
	{id: "slow-zh", lang: "zh", queue: "returns", subject: "物流三天没动", order: "A3125", label: "投诉", note: "客户已催过一次，优先处理。",
		user:  []string{"A3125的物流三天没更新了，到底什么时候到？", "行吧，那我再等一天", "好的，麻烦了"},
		agent: []string{"非常抱歉，我马上联系快递核实。", "包裹在西安中转站，预计明天送达，给您补一张十元券。", "有问题随时找我们。"}},
}
