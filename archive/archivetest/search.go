package archivetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

// found gives the messages a query should find, all of them, in order.
func found(q archive.SearchQuery, all []archive.Message) []archive.Message {
	out := []archive.Message{}
	for _, m := range all {
		if text := m.Text(); text != "" && archive.Holds(archive.Fold(text), q.Words) &&
			(q.Queue == "" || q.Queue == m.Queue) &&
			(q.User == "" || q.User == m.User) &&
			!slices.ContainsFunc(q.Agents, func(a string) bool { return !slices.Contains(m.Agents, a) }) &&
			(!q.NoNotes || m.Type != "note") &&
			m.At >= q.Since && (q.Until == 0 || m.At < q.Until) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b archive.Message) int {
		return -cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Mid, b.Mid))
	})
	return out
}

var texts = []string{
	"我要退款", "退款", "款", "请问退款什么时候到账?", "把款退了", "退 款", "退\n款", "客服小姐姐你好呀", "你好", "您好，我的订单号是SF1234567890，还没发货",
	"Refund please", "I want a REFUND now", "refunded", "re fund", "ref", "fund the re", "ok", "OK!", "O.K.", "Straße ÄÖÜ", "İstanbul ΣΊΣΥΦΟΣ",
	"🙂", "🙂🙃 smile", "a🙂b", "100% sure", "100 percent", "snake_case", "snakeXcase", `back\slash`, `back/slash`, `say "hi"`, `say hi`,
	"a*b", "ab", "aXb", "(paren", "paren)", "-minus", "minus-", "NEAR", "near and AND or not", "AND", "NOT this", "OR", "a AND b", "x:y", "{x} : y",
	"^caret", "'quote'", "semi;colon--comment", "[a-z]+", "a.c", "abc", "$where", "tab\tseparated", "nul\u0000inside", "\u00a0nbsp", "　全角　空格",
	"ｆｕｌｌ", "日本語のテキスト", "한국어", "русский Текст", "中文English混合text", "。", "？！", "　", " ", "aaaaaaaa", "一二三四五六七八九十",
}

// textIsFound searches every text for parts of texts: from the beginning, the
// middle and the end of each, of one to five and of all characters.
func textIsFound(t *testing.T, a archive.Archive) {
	var all []archive.Message
	words := map[string]bool{"xyzzy": true, "退货": true, "*": true, "%": true, "_": true, `\`: true, `"`: true, ".*": true, "100_": true, "a_c": true, "back_slash": true}
	for i, text := range texts {
		all = append(all, Message("s", int64(i)+1, Start+int64(i), text))
		runes := []rune(archive.Fold(text))
		for _, n := range []int{1, 2, 3, 4, 5, len(runes)} {
			for _, at := range []int{0, 1, len(runes) / 2, len(runes) - n} {
				if at >= 0 && at+n <= len(runes) {
					words[string(runes[at:at+n])] = true
				}
			}
		}
	}
	put(t, a, all...)
	for word := range words {
		q := archive.SearchQuery{Words: []string{word}}
		require.Equal(t, mids(found(q, all)), mids(searchAll(t, a, q, 100)), "%q", word)
	}
	for _, query := range []string{
		"退 款", "退款 到账", "款 退", "REFUND want", "refund xyzzy", "ref fund", "a b", "and NEAR", `say "hi`, "中文 english 混 text", "% 100", "🙂 smile",
		"订单 sf123 发货", "一 二 三 四 五 六 七 八 九 十", "ok !", "日 本 語", "一二三四五六七八九十 九十",
	} {
		q := archive.SearchQuery{Words: archive.Words(query)}
		sameMessages(t, found(q, all), searchAll(t, a, q, 100), "%q", query)
	}
}

func kindsOfMessagesAreFound(t *testing.T, a archive.Archive) {
	message := func(seq int64, kind, body string) archive.Message {
		m := Message("s", seq, Start+seq, "")
		m.Type, m.Body = kind, body
		return m
	}
	all := []archive.Message{
		message(1, "text", `"合同 contract"`),
		message(2, "note", `"合同 contract, a note"`),
		message(3, "file", `{"name":"合同 Contract.PDF","url":"https://invoice.example/x"}`),
		message(4, "image", `{"name":"photo.png","width":100}`),
		message(5, "card", `{"title":"合同","fields":[{"k":"Contract","v":"发票 invoice"}],"n":7}`),
		message(6, "system", `{"event":"合同 contract"}`),
		message(7, "system", `"合同 contract"`),
		message(8, "text", `"\u5408\u540c \u0043ontract"`), // the same in escapes
		message(9, "voice", `{"url":"contract"}`),
		message(10, "text", `""`),
		message(11, "text", `{"odd":["合同"],"and":{"contract":"contract"}}`),
		message(12, "", `"合同 contract"`),
	}
	put(t, a, all...)
	for _, query := range []string{"合同", "contract", "合同 contract", "pdf", "example", "photo", "png", "title", "发票", "invoice", "7", "合", "u5408", `"`} {
		for _, noNotes := range []bool{false, true} {
			q := archive.SearchQuery{Words: archive.Words(query), NoNotes: noNotes}
			sameMessages(t, found(q, all), searchAll(t, a, q, 3), "%+v", q)
		}
	}
}

func recalledMessagesAreNotFound(t *testing.T, a archive.Archive) {
	var all, left []archive.Message
	for i := range int64(30) {
		m := Message("s", i+1, Start+i/4, "secret 秘密")
		all = append(all, m)
		if i%3 > 0 {
			left = append(left, m)
		}
	}
	put(t, a, all[:20]...)
	for i := 0; i < 30; i += 3 {
		put(t, a, Recalled(all[i])) // some before, some after they are there
	}
	put(t, a, all...)
	for _, word := range []string{"secret", "秘密", "秘", "se", "cret"} {
		q := archive.SearchQuery{Words: []string{word}}
		sameMessages(t, found(q, left), searchAll(t, a, q, 4), word)
	}
}

// filterWords are words long enough to be looked up, and ones that are not, in turn.
var filterWords = [][]string{{"hello"}, {"您", "1"}, {"您好"}, {"好"}}

// searchesAreFiltered asks by every combination of filters, in pages of several sizes.
func searchesAreFiltered(t *testing.T, a archive.Archive, n, words int) {
	since, until := Start+int64(n/24), Start+int64(n/8)
	var all []archive.Message
	for i := range n {
		session := i % 12
		m := Message(fmt.Sprint("s", session), int64(i/12)+1, Start+int64(i*7%n/5), "hello 您好 "+fmt.Sprint(i)) // five of a time
		m.Mid = fmt.Sprintf("%03d-%d", i*77%n, i)
		m.User = []string{"uma", "u'm$a.", "eve"}[session%3]
		m.Queue = []string{"sales", "售$后."}[i%2]
		m.Agents = [][]string{nil, {"ann"}, {"b.o$b"}, {"ann", "b.o$b", "客服"}}[session%4]
		if i%5 == 0 {
			m.Type = "note"
		}
		all = append(all, m)
	}
	put(t, a, all...)
	for _, words := range filterWords[:words] {
		queries := []archive.SearchQuery{{Words: words}}
		for _, set := range []func(q *archive.SearchQuery){
			func(q *archive.SearchQuery) { q.User = "u'm$a." },
			func(q *archive.SearchQuery) { q.Queue = "售$后." },
			func(q *archive.SearchQuery) { q.Agents = append(slices.Clone(q.Agents), "b.o$b") },
			func(q *archive.SearchQuery) { q.Agents = append(slices.Clone(q.Agents), "ann") },
			func(q *archive.SearchQuery) { q.Since = since },
			func(q *archive.SearchQuery) { q.Until = until },
			func(q *archive.SearchQuery) { q.NoNotes = true },
		} {
			for _, q := range queries {
				set(&q)
				queries = append(queries, q)
			}
		}
		for _, q := range queries {
			for _, page := range []int{7, 1000} {
				require.Equal(t, mids(found(q, all)), mids(searchAll(t, a, q, page)), "%+v by %d", q, page)
			}
		}
	}
	narrowest := archive.SearchQuery{
		Words: []string{"hello"}, User: "u'm$a.", Queue: "售$后.", Agents: []string{"b.o$b", "ann"}, Since: since, Until: until, NoNotes: true,
	}
	require.NotEmpty(t, found(narrowest, all))
	for _, q := range []archive.SearchQuery{{User: "nobody"}, {Queue: "none"}, {Agents: []string{"nobody"}}, {Since: Start + 1000}, {Until: Start}} {
		q.Words = []string{"hello"}
		require.Empty(t, searchAll(t, a, q, 10), "%+v", q)
	}
}

func messagesOfTheSameTimeAreFoundInOrder(t *testing.T, a archive.Archive) {
	var all []archive.Message
	for i := range 90 {
		m := Message("s", int64(i)+1, Start+int64(i/30), "same 时间")
		m.Mid = fmt.Sprintf("%c-%02d", []rune("aZé客😀0")[i%6], i*41%90)
		all = append(all, m)
	}
	for i := range all { // one by one, in another order
		put(t, a, all[i*47%90])
	}
	for _, word := range []string{"same", "时间", "时"} {
		q := archive.SearchQuery{Words: []string{word}}
		for _, page := range []int{1, 29, 30, 31, 90} {
			sameMessages(t, found(q, all), searchAll(t, a, q, page), "%s by %d", word, page)
		}
	}
}

// messagesFarApartAreFound has a few among many, and times far apart.
func messagesFarApartAreFound(t *testing.T, a archive.Archive, n int) {
	all := []archive.Message{}
	for i := range n {
		m := Message(fmt.Sprint("s", i/100), int64(i%100)+1, Start+int64(i/3), Text(i))
		if i%(n/3-1) == 0 {
			m = Message(m.Session, m.Seq, m.At, "稀 q 稀有 rare")
		}
		if i == 10 || i == 11 {
			m.At = int64(i - 10) // in 1970
		}
		if i == 12 {
			m.At = 1 << 44 // in 2527
		}
		all = append(all, m)
	}
	for batch := range slices.Chunk(all, n/6) {
		put(t, a, batch...)
	}
	for _, query := range []string{"稀", "稀有", "rare", "q 稀", "退款", "退 款", "好", "re", "e", "refund order"} {
		q := archive.SearchQuery{Words: archive.Words(query)}
		for _, user := range []string{"", "uma"} {
			q.User = user
			want := mids(found(q, all))
			require.NotEmpty(t, want, "%+v", q)
			require.Equal(t, want, mids(searchAll(t, a, q, n*3/20)), "%+v", q)
		}
	}
}
