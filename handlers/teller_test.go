package handlers

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"bellhop/broker/chat"
)

// told is a message as a line of a transcript in text, without its time.
func told(t *testing.T, tell *teller, m chat.Message) string {
	t.Helper()
	text := transcribed(t, textScribe{tell}, []chat.Message{m})
	_, lines, _ := strings.Cut(text, "\n\n")
	_, line, _ := strings.Cut(lines, "] ")
	return strings.TrimSuffix(line, "\n")
}

func told2(t *testing.T, m chat.Message) (en, zh string) {
	t.Helper()
	s := chat.Session{User: chat.Person{ID: "uma", Name: "Uma"}}
	tell := func(lang string) *teller {
		tl := newTeller(s, lang, time.FixedZone("", 8*3600))
		tl.staff, tl.links = true, fileLinks{origin: "https://chat.example", sign: func(id string) string { return "?signed=" + id }}
		tl.queue = func(id string) string { return map[string]string{"sales": "Sales 销售"}[id] }
		tl.meet(&chat.Person{ID: "bob", Name: "Bob"})
		return tl
	}
	return told(t, tell("en"), m), told(t, tell("zh"), m)
}

// Every kind of system message is told in words, in both languages.
func TestSystemMessagesInWords(t *testing.T) {
	ann, sue := `{"id":"ann","name":"Ann 安"}`, `{"id":"sue","name":""}`
	for body, want := range map[string][2]string{
		`{"what":"opened"}`:                                                     {"* The session was opened and waits", "* 会话已创建，进入排队"},
		`{"what":"greeting","text":"Hello 您好"}`:                                 {"* Hello 您好", "* Hello 您好"},
		`{"what":"offline","text":"Closed","opens":"2026-11-24T01:00:00.000Z"}`: {"* Closed Open again from 2026-11-24 09:00:00+08:00.", "* Closed 2026-11-24 09:00:00+08:00 恢复服务。"},
		`{"what":"offline","text":"","opens":null}`:                             {"* Nobody is here right now.", "* 当前没有客服在线。"},
		`{"what":"long-wait","text":"","opens":null}`:                           {"* It takes longer than usual. A message may be left.", "* 等待时间较长，可以先留言。"},
		`{"what":"grabbed","agent":` + ann + `}`:                                {"* Ann 安 took the session", "* Ann 安 接入会话"},
		`{"what":"offered","by":"bob","to":` + ann + `}`:                        {"* Bob offered the session to Ann 安", "* Bob 将会话转接给 Ann 安，等待接受"},
		`{"what":"offered","by":"","to":` + ann + `}`:                           {"* The session was offered to Ann 安", "* 会话转接给 Ann 安，等待接受"},
		`{"what":"declined","by":"bob","outcome":"declined","reason":""}`:       {"* Bob declined the offer", "* Bob 拒绝了转接"},
		`{"what":"declined","by":"bob","outcome":"cancelled","reason":""}`:      {"* The offer to Bob was withdrawn", "* 转接给 Bob 已取消"},
		`{"what":"declined","by":"bob","outcome":"expired","reason":""}`:        {"* Bob did not answer the offer in time", "* Bob 未及时接受转接"},
		`{"what":"declined","by":"bob","outcome":"odd","reason":""}`:            {"* The offer to Bob came to nothing", "* 转接给 Bob 未成功"},
		`{"what":"transferred","from":` + ann + `,"to":` + sue + `}`:            {"* The session went from Ann 安 to sue", "* 会话由 Ann 安 转给 sue"},
		`{"what":"transferred","from":` + ann + `,"to":` + sue + `,"by":"sue"}`: {"* sue took the session over from Ann 安", "* sue 从 Ann 安 处接管会话"},
		`{"what":"transferred","queue":"sales","by":"bob"}`:                     {"* Bob put the session into the queue Sales 销售", "* Bob 将会话转到队列「Sales 销售」"},
		`{"what":"transferred","queue":"sales","by":""}`:                        {"* The session was put into the queue Sales 销售", "* 会话转到队列「Sales 销售」"},
		`{"what":"requeued","reason":"agent-gone"}`:                             {"* The agent lost the connection; the session waits again, ahead of the queue", "* 客服掉线，会话重新优先排队"},
		`{"what":"requeued","reason":"odd"}`:                                    {"* The session waits again, ahead of the queue", "* 会话重新优先排队"},
		`{"what":"joined","agent":` + ann + `}`:                                 {"* Ann 安 joined", "* Ann 安 加入会话"},
		`{"what":"left","agent":` + ann + `}`:                                   {"* Ann 安 left", "* Ann 安 离开会话"},
		`{"what":"ending","by":"bob","reason":"all done"}`:                      {"* Bob asked the user whether everything is solved: all done", "* Bob 询问用户问题是否解决：all done"},
		`{"what":"idle-warning","seconds":60}`:                                  {"* Nobody has written for a while; the session ends in 60 seconds", "* 长时间没有消息，会话将在60秒后结束"},
		`{"what":"ended","by":"","reason":"idle"}`:                              {"* The session ended, since nobody wrote", "* 长时间没有消息，会话已结束"},
		`{"what":"ended","by":"uma","reason":"abandoned"}`:                      {"* The session ended, since the user was away", "* 用户已离开，会话已结束"},
		`{"what":"ended","by":"uma","reason":""}`:                               {"* Uma ended the session", "* Uma 结束了会话"},
		`{"what":"ended","by":"bob","reason":"solved"}`:                         {"* Bob ended the session: solved", "* Bob 结束了会话：solved"},
		`{"what":"ended","by":"","reason":"closing time"}`:                      {"* The session ended: closing time", "* 会话已结束：closing time"},
		`{"what":"reopened"}`:                                                   {"* The session was opened again and waits", "* 会话已重新打开，进入排队"},
		`{"what":"recalled","seq":3}`:                                           {"* A message was recalled", "* 一条消息已撤回"},
		`{"what":"of-tomorrow","x":1}`:                                          {"* of-tomorrow", "* of-tomorrow"},
		`"The shop's own words"`:                                                {"* The shop's own words", "* The shop's own words"},
	} {
		en, zh := told2(t, chat.Message{From: chat.Author{Role: chat.RoleSystem}, Type: chat.TypeSystem, Body: json.RawMessage(body)})
		require.Equal(t, want, [2]string{en, zh}, body)
	}
}

// No system message is without words: neither of those that scripts write, nor of the broker's own.
func TestWordsForAllSystemMessages(t *testing.T) {
	require.ElementsMatch(t, slices.Collect(maps.Keys(transcriptWords["en"])), slices.Collect(maps.Keys(transcriptWords["zh"])))
	placeholder := regexp.MustCompile(`\{\w+\}`)
	for key, text := range transcriptWords["en"] {
		require.ElementsMatch(t, placeholder.FindAllString(text, -1), placeholder.FindAllString(transcriptWords["zh"][key], -1), key)
	}
	kinds := map[string]bool{}
	for _, pattern := range []string{"../scripts/*/*.lua", "../broker/*.go", "../broker/internal/*/*.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			code, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`say\('([\w-]+)'|"what": ?"([\w-]+)"`).FindAllStringSubmatch(string(code), -1) {
				kinds[m[1]+m[2]] = true
			}
		}
	}
	require.Greater(t, len(kinds), 14)
	shown, err := os.ReadFile("../web/src/conversation/systemText.ts")
	require.NoError(t, err)
	for kind := range kinds {
		require.Contains(t, transcriptWords["en"], "system."+kind)
		require.True(t, strings.Contains(string(shown), "case '"+kind+"':"), "web/src/conversation/systemText.ts does not say what pages show of %s", kind)
	}
}

// Who speaks is told by name and role, notes are marked, and what is no text has its name and an address to open.
func TestTranscriptLines(t *testing.T) {
	uma, ann := chat.Author{ID: "uma", Role: chat.RoleUser, Name: "Uma"}, chat.Author{ID: "ann", Role: chat.RoleAgent, Name: "Ann 安"}
	const id = "01J8ZQ4Y3N5T6V7W8X9Y0Z1A2B"
	for _, c := range []struct {
		from       chat.Author
		kind, body string
		en, zh     string
	}{
		{uma, "text", `"hello"`, "Uma (user): hello", "Uma（用户）: hello"},
		{ann, "text", `"two\nlines"`, "Ann 安 (agent): two\n    lines", "Ann 安（客服）: two\n    lines"},
		{chat.Author{ID: "sue", Role: chat.RoleSupervisor}, "text", `"hi"`, "sue (supervisor): hi", "sue（主管）: hi"},
		{chat.Author{ID: "host", Role: chat.RoleBot}, "text", `"hi"`, "Service (bot): hi", "客服（机器人）: hi"},
		{ann, "note", `"ask the boss"`, "Ann 安 (agent) (note): ask the boss", "Ann 安（客服）（内部备注）: ask the boss"},
		{uma, "image", `{"url":"/api/v1/files/` + id + `","name":"猫 \"1\".png"}`, `Uma (user): [picture] 猫 "1".png https://chat.example/api/v1/files/` + id + "?signed=" + id,
			`Uma（用户）: [图片] 猫 "1".png https://chat.example/api/v1/files/` + id + "?signed=" + id},
		{uma, "voice", `{"url":"/api/v1/files/` + id + `","name":"v.webm","duration":64.6}`, "Uma (user): [voice 1:05] v.webm https://chat.example/api/v1/files/" + id + "?signed=" + id,
			"Uma（用户）: [语音 1:05] v.webm https://chat.example/api/v1/files/" + id + "?signed=" + id},
		{uma, "video", `{"url":"https://elsewhere.example/v.mp4","name":"v.mp4"}`, "Uma (user): [video] v.mp4 https://elsewhere.example/v.mp4", "Uma（用户）: [视频] v.mp4 https://elsewhere.example/v.mp4"},
		{uma, "file", `{"url":"https://elsewhere.example/x.pdf"}`, "Uma (user): [file] https://elsewhere.example/x.pdf", "Uma（用户）: [文件] https://elsewhere.example/x.pdf"},
		{uma, "file", `{"url":"javascript:alert(1)","name":"x"}`, "Uma (user): [file] x", "Uma（用户）: [文件] x"},
		{ann, "card", `{"title":"Order 1","text":"a lamp","url":"https://shop.example/1","price":9.5,"paid":true,"items":[1]}`,
			"Ann 安 (agent): [card] Order 1 https://shop.example/1\n    a lamp\n    paid: true\n    price: 9.5", "Ann 安（客服）: [卡片] Order 1 https://shop.example/1\n    a lamp\n    paid: true\n    price: 9.5"},
		{ann, "card", `{"name":"N","description":"D"}`, "Ann 安 (agent): [card] N\n    D", "Ann 安（客服）: [卡片] N\n    D"},
		{ann, "card", `{"type":"image","url":"/api/v1/files/` + id + `"}`, "Ann 安 (agent): [card]\n    type: image", "Ann 安（客服）: [卡片]\n    type: image"}, // nobody asked who may read that file
		{ann, "card", `[1]`, "Ann 安 (agent): [card] [1]", "Ann 安（客服）: [卡片] [1]"},
	} {
		en, zh := told2(t, chat.Message{From: c.from, Type: c.kind, Body: json.RawMessage(c.body)})
		require.Equal(t, [2]string{c.en, c.zh}, [2]string{en, zh}, c.body)
	}
	en, zh := told2(t, chat.Message{From: uma, Type: "text", Recalled: true})
	require.Equal(t, [2]string{"Uma (user): (recalled)", "Uma（用户）: （已撤回）"}, [2]string{en, zh})
}

// A transcript says what it is of, in what zone its times are, and what the user thought of it.
func TestTranscriptAsAWhole(t *testing.T) {
	at := chat.At(time.Date(2026, 3, 1, 16, 30, 5, 0, time.UTC).UnixMilli())
	s := chat.Session{ID: "00-s", Queue: "sales", State: chat.Ended, Subject: "Order <1>", User: chat.Person{ID: "uma", Name: "Uma"}, Agent: &chat.Person{ID: "ann", Name: "Ann"},
		Assistants: []chat.Person{{ID: "bob"}}, Labels: []string{"vip", "refund"}, Created: at, Ended: &at, EndedBy: "ann", Reason: "solved", Rating: &chat.Rating{Score: 4, Comment: "thank you", At: at}}
	zone, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	tell := newTeller(s, "en", zone)
	tell.queue = func(string) string { return "Sales" }
	all := []chat.Message{
		{Seq: 1, At: at, From: chat.Author{ID: "uma", Role: chat.RoleUser, Name: "Uma"}, Type: "text", Body: json.RawMessage(`"hi"`)},
		{Seq: 2, At: at, From: chat.Author{Role: chat.RoleSystem}, Type: "system", Body: json.RawMessage(`{"what":"offered","by":"ann","to":{"id":"bob"}}`)},
	}
	require.Equal(t, `Order <1>
00-s · Sales · ended
User: Uma (uma)
Agent: Ann (ann)
Assistants: bob
Opened: 2026-03-02 00:30:05+08:00
Ended: 2026-03-02 00:30:05+08:00 · Ann ended the session: solved
Labels: vip, refund
Times: Asia/Shanghai

[2026-03-02 00:30:05+08:00] Uma (user): hi
[2026-03-02 00:30:05+08:00] * Uma rated the session 4 of 5 ★★★★☆: thank you
`, transcribed(t, textScribe{tell}, all), "a user is not told of offers")
	tell = newTeller(s, "zh", zone)
	tell.staff = true
	page := transcribed(t, htmlScribe{tell, "n"}, all)
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var text strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			text.WriteString(n.Data)
		}
		if n.Type == html.ElementNode && n.Data == "html" {
			require.Equal(t, "zh-CN", n.Attr[0].Val)
		}
	}
	for _, want := range []string{"Order <1>", "已结束", "时间：Asia/Shanghai", "Uma（用户）", "Ann 将会话转接给 bob，等待接受", "Uma 评价了本次会话：4分 ★★★★☆：thank you", "Ann 结束了会话：solved"} {
		require.Contains(t, text.String(), want)
	}
}

// The language is that of `lang`, else the best that a browser asks for, else English.
func TestLanguageOf(t *testing.T) {
	for _, c := range []struct{ query, header, want string }{
		{"", "", "en"}, {"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"}, {"", "de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.4", "zh"}, {"", "fr", "en"},
		{"", "en;q=0.2, zh-Hans;q=0.8", "zh"}, {"", "*", "en"}, {"", ";;;", "en"}, {"", "zh;q=0, en", "en"}, {"", "yue-HK", "zh"},
		{"?lang=zh", "en", "zh"}, {"?lang=en-GB", "zh", "en"}, {"?lang=zh_CN", "en", "zh"}, {"?lang=fr", "zh", ""}, {"?lang=", "", ""}, {"?lang=%ff", "", ""},
	} {
		g, _ := gin.CreateTestContext(httptest.NewRecorder())
		g.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+c.query, nil)
		g.Request.Header.Set("Accept-Language", c.header)
		got, err := languageOf(g)
		require.Equal(t, c.want == "", err != nil, "%v", c)
		require.Equal(t, c.want, got, "%v", c)
	}
}

// Addresses are those by which the client has reached this server.
func TestOriginOf(t *testing.T) {
	for host, want := range map[string]string{"chat.example": "http://chat.example", "CHAT.example:8443": "http://chat.example:8443", "[::1]:80": "", "a_b.example": "http://a_b.example",
		"127.0.0.1:8080": "http://127.0.0.1:8080", "x y": "", `"><script>`: "", "a@b": "", "chat.example/x": ""} {
		for _, proto := range []string{"", "https", "javascript"} {
			g, _ := gin.CreateTestContext(httptest.NewRecorder())
			g.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			g.Request.Host = host
			g.Request.Header.Set("X-Forwarded-Proto", proto)
			expected := want
			if proto == "https" && want != "" {
				expected = "https" + strings.TrimPrefix(want, "http")
			}
			if proto == "https" && host == "[::1]:80" {
				expected = "https://[::1]:80"
			}
			require.Equal(t, expected, originOf(g), "%s by %q", host, proto)
		}
	}
}
