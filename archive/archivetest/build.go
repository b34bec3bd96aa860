package archivetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

// Start is the time at which the tests' things begin, in ms.
const Start int64 = 1_760_000_000_000

// Message gives a text message of a session; its mid tells session and seq.
func Message(session string, seq, at int64, text string) archive.Message {
	return archive.Message{
		Mid: fmt.Sprintf("%s/%06d", session, seq), Session: session, Seq: seq, At: at, By: "u:uma", Sender: "uma", Role: "user",
		Name: "乌玛", Type: "text", Command: "send", Body: body(text), Key: fmt.Sprintf("k%d", seq), ReplyTo: seq - 1,
		User: "uma", Queue: "sales", Agents: []string{"ann"},
	}
}

// Session gives a session at its beginning.
func Session(id string, created int64) archive.Session {
	return archive.Session{
		ID: id, Rev: 1, Seq: 1, State: "waiting", Queue: "sales", User: "uma", UserInfo: `{"id":"uma","name":"乌玛"}`,
		UserKind: "app", Created: created, Read: map[string]int64{"u:uma": 1}, Snapshot: `{"id":"` + strings.Repeat("x", 100) + `"}`,
	}
}

// Recalled gives what a message is after its recall.
func Recalled(m archive.Message) archive.Message {
	m.Recalled, m.Body = true, ""
	return m
}

var pieces = strings.Fields(`您好 请问有什么可以帮您 我的订单 还没有发货 什么时候能到 退款 申请已经提交三天了 怎么还没到账 麻烦帮我查一下
	谢谢 地址写错了 能不能修改 电话 号码 优惠券不能用 发票抬头 快递丢失 包裹破损 质量问题 换货 尺寸太小了 颜色不对 转接人工 等待很久
	非常抱歉给您带来不便 我们会尽快处理 请稍等 核实 物流信息显示已签收 但是没有收到 refund order please shipping address invoice
	payment failed coupon delivery tracking number thanks password reset account login error`)

// Text gives some text of about 40 characters, Chinese and English mixed, the
// same for the same i.
func Text(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // a test's texts
	var b strings.Builder
	for n := 0; n < 36; {
		p := pieces[int(float64(len(pieces))*r.Float64()*r.Float64())]
		switch r.IntN(10) {
		case 0:
			p = fmt.Sprint(r.IntN(100_000))
		case 1, 2, 3: // any characters, of the common ones
			p = string([]rune{0x4e00 + r.Int32N(3000), 0x4e00 + r.Int32N(3000)})
		}
		if p[0] < 0x80 {
			p += " "
		}
		b.WriteString(p)
		n += len([]rune(p))
	}
	return b.String()
}

// body gives a text as a message's body.
func body(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""` // strings have no such error
	}
	return string(b)
}

// put stores messages that the store must take.
func put(t *testing.T, a archive.Archive, messages ...archive.Message) {
	t.Helper()
	rejected, err := a.PutMessages(t.Context(), messages)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// putSessions stores sessions that the store must take.
func putSessions(t *testing.T, a archive.Archive, sessions ...archive.Session) {
	t.Helper()
	rejected, err := a.PutSessions(t.Context(), sessions)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// messages gives all of a session's messages.
func messages(t *testing.T, a archive.Archive, session string) []archive.Message {
	t.Helper()
	out, err := a.Messages(t.Context(), session, 1, 1<<40)
	require.NoError(t, err)
	return out
}

// sameMessages compares messages but for their agents, which are there to find
// them by and need not come back.
func sameMessages(t *testing.T, want, got []archive.Message, msg ...any) {
	t.Helper()
	require.Equal(t, bare(want), bare(got), msg...)
}

func bare(messages []archive.Message) []archive.Message {
	out := make([]archive.Message, len(messages))
	for i, m := range messages {
		m.Agents = nil
		out[i] = m
	}
	return out
}

// sameSessions compares sessions; no agents, labels and read marks may come back as nil or empty.
func sameSessions(t *testing.T, want, got []archive.Session, msg ...any) {
	t.Helper()
	for i := range got {
		if len(got[i].Agents) == 0 {
			got[i].Agents = nil
		}
		if len(got[i].Labels) == 0 {
			got[i].Labels = nil
		}
		if len(got[i].Read) == 0 {
			got[i].Read = nil
		}
	}
	require.Equal(t, want, got, msg...)
}

// mids gives messages' mids.
func mids(messages []archive.Message) []string {
	out := make([]string, len(messages))
	for i := range messages {
		out[i] = messages[i].Mid
	}
	return out
}

// searchAll goes through a search page by page.
func searchAll(t *testing.T, a archive.Archive, q archive.SearchQuery, page int) []archive.Message {
	t.Helper()
	return pages(t, page, func(ctx context.Context, last *archive.Message) ([]archive.Message, error) {
		q.Limit = page
		if last != nil {
			q.Before = &archive.MessagePlace{At: last.At, Mid: last.Mid}
		}
		return a.Search(ctx, q)
	})
}

// sessionsAll goes through a list of sessions page by page.
func sessionsAll(t *testing.T, a archive.Archive, q archive.SessionQuery, page int) []archive.Session {
	t.Helper()
	return pages(t, page, func(ctx context.Context, last *archive.Session) ([]archive.Session, error) {
		q.Limit = page
		if last != nil {
			q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		}
		return a.Sessions(ctx, q)
	})
}

// pages gathers pages up to one that is not full.
func pages[T any](t *testing.T, size int, next func(ctx context.Context, last *T) ([]T, error)) []T {
	t.Helper()
	all := []T{}
	for {
		var last *T
		if len(all) > 0 {
			last = &all[len(all)-1]
		}
		got, err := next(t.Context(), last)
		require.NoError(t, err)
		require.LessOrEqual(t, len(got), size)
		all = append(all, slices.Clone(got)...)
		if len(got) < size {
			return all
		}
		require.Less(t, len(all), 100_000, "pages do not end")
	}
}
