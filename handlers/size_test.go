package handlers

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// peer is a WebSocket client that keeps every line it gets.
type peer struct {
	gws.BuiltinEventHandler
	*gws.Conn
	t    *testing.T
	mu   sync.Mutex
	all  []string
	more chan struct{}
	code error
}

func (p *peer) OnMessage(_ *gws.Conn, m *gws.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, strings.Split(string(m.Bytes()), "\n")...)
	p.wake()
	_ = m.Close()
}

func (p *peer) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

func (p *peer) OnClose(_ *gws.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.code = err
	p.wake()
}

func (p *peer) wake() {
	close(p.more)
	p.more = make(chan struct{})
}

func dial(t *testing.T, addr, token string) *peer {
	t.Helper()
	p := &peer{t: t, more: make(chan struct{})}
	ws, res, err := gws.NewClient(p, &gws.ClientOption{Addr: "ws://" + addr + "/websocket",
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {"bellhop.v1, " + token}}})
	require.NoError(t, err)
	_ = res.Body.Close()
	p.Conn = ws
	go ws.ReadLoop()
	t.Cleanup(func() { _ = ws.NetConn().Close() })
	p.await(`{"event":"hello"`)
	return p
}

// await is the first line with this beginning, among all that came or come.
func (p *peer) await(begins string) string {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for i := 0; ; {
		p.mu.Lock()
		for ; i < len(p.all); i++ {
			if strings.HasPrefix(p.all[i], begins) {
				defer p.mu.Unlock()
				return p.all[i]
			}
		}
		more, code := p.more, p.code
		p.mu.Unlock()
		require.NoError(p.t, code, begins)
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("no %s came", begins)
		}
	}
}

var lastID int64

// do carries out a command that must succeed, and gives its answer.
func (p *peer) do(cmd, fields string) string {
	p.t.Helper()
	lastID++
	id := lastID
	line := fmt.Sprintf(`{"id":%d,"cmd":"%s"%s}`, id, cmd, fields)
	require.NoError(p.t, p.WriteString(line))
	if cmd == "typing" {
		return ""
	}
	answer := p.await(fmt.Sprintf(`{"id":%d,`, id))
	require.Contains(p.t, answer, `,"ok":`, "%s: %.300s", cmd, answer)
	return answer
}

// pad is text that is twice as long in JSON.
func pad(n int) string { return strings.Repeat(`"`, n) }

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

// picture is as long as an avatar may be.
var picture = "https://a.example/" + strings.Repeat("a", chat.MaxURL-len("https://a.example/"))

// crowded is everybody with as much about themselves as is legal.
func crowded(role chat.Role, id string, queues ...string) chat.Identity {
	return chat.Identity{Role: role, ID: id, Name: pad(chat.MaxName), Avatar: picture, Queues: queues, Capacity: 1000}
}

// Every command and every event, with as much in it as is legal, is no longer
// than a page and one item, and closes no connection.
func TestNothingIsTooLong(t *testing.T) {
	rdb, err := broker.Dial(testenv.Redis(t).URL())
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, SendRate: -1, ListRate: -1, ReadRate: -1, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := testServer(t, Options{Broker: b})
	addr := serve(t, s)
	join := func(id chat.Identity) *peer {
		token, _, err := b.IssueToken(t.Context(), id, time.Hour)
		require.NoError(t, err)
		return dial(t, addr, token)
	}
	host := chat.Actor{Host: true}
	q, far := strings.Repeat("q", chat.MaxID), "far"
	var others []string
	for i := range 120 { // what `watch`, `sessions`, resets and hello hold is more than fits
		o, err := b.Open(t.Context(), host, chat.OpenRequest{User: crowded(chat.RoleUser, fmt.Sprintf("u%d", i)).Person(), Queue: q,
			Subject: pad(256), Meta: json.RawMessage(`{"x":"` + strings.Repeat("y", 4000) + `"}`)})
		require.NoError(t, err)
		others = append(others, o.ID)
	}
	_, err = b.PutCanned(t.Context(), host, chat.Canned{ID: "c", Queue: q, Shortcut: "s", Text: strings.Repeat("\n", chat.MaxText)})
	require.NoError(t, err)
	uma := join(crowded(chat.RoleUser, "uma"))
	ann, bea := join(crowded(chat.RoleAgent, "ann", q, far)), join(crowded(chat.RoleAgent, "bea", q, far))
	sup := join(crowded(chat.RoleSupervisor, "sup"))
	phone := join(crowded(chat.RoleUser, "uma"))
	peers := []*peer{uma, phone, ann, bea, sup}

	done := map[string]bool{}
	var session string
	in := func() string { return `,"session":"` + session + `"` }
	do := func(p *peer, cmd, fields string) string {
		done[cmd] = true
		return p.do(cmd, fields)
	}
	do(ann, "ping", "")
	do(ann, "status", `,"status":"online"`)
	do(bea, "status", `,"status":"online"`)
	do(ann, "watch", "")
	do(sup, "watch", `,"queues":["`+q+`","`+far+`"]`)
	answer := do(uma, "open", `,"queue":"`+q+`","subject":`+quoted(pad(256))+`,"meta":{"x":"`+strings.Repeat("y", 4000)+`"}`)
	var opened struct {
		OK struct{ Session chat.Session }
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &opened))
	session = opened.OK.Session.ID
	uma.await(`{"event":"position"`)
	do(ann, "grab", in())
	for i := range 49 { // and ann's `join` below
		id := crowded(chat.RoleAgent, strings.Repeat("h", 60)+fmt.Sprint(i), q)
		_, err := b.Join(t.Context(), chat.Actor{Identity: id}, session, false)
		require.NoError(t, err)
	}
	do(bea, "join", in())
	do(bea, "leave", in())
	for _, text := range []string{strings.Repeat("\x01", 10000), strings.Repeat("\n", chat.MaxText)} {
		for range 20 {
			do(uma, "send", in()+`,"body":`+quoted(text))
		}
	}
	do(sup, "whisper", in()+`,"text":`+quoted(strings.Repeat("\n", chat.MaxText)))
	do(ann, "read", in()+`,"seq":99`)
	do(uma, "typing", in()+`,"text":`+quoted(pad(chat.MaxNote)))
	ann.await(`{"event":"typing"`)
	do(uma, "recall", in()+`,"seq":60`)
	do(uma, "history", in()+`,"limit":200`)
	do(ann, "sessions", `,"state":"waiting","queue":"`+q+`","limit":200`)
	do(sup, "sessions", `,"limit":200`)
	do(ann, "canned", in()+`,"canned":"c"`)
	do(ann, "label", in()+`,"add":["`+strings.Repeat("l", chat.MaxID)+`"]`)
	do(ann, "transfer", in()+`,"to":{"agent":"bea"},"note":`+quoted(pad(chat.MaxNote)))
	bea.await(`{"event":"offer",`)
	do(bea, "decline", in()+`,"reason":`+quoted(pad(chat.MaxNote)))
	do(ann, "transfer", in()+`,"to":{"agent":"bea"}`)
	do(ann, "cancel", in())
	do(ann, "transfer", in()+`,"to":{"agent":"bea"}`)
	do(bea, "accept", in())
	do(sup, "takeover", in())
	for _, other := range others[:60] {
		do(ann, "grab", `,"session":"`+other+`"`)
	}
	peers = append(peers, join(crowded(chat.RoleAgent, "ann", q, far)), join(crowded(chat.RoleSupervisor, "sup")))
	do(sup, "end", in()+`,"reason":`+quoted(pad(chat.MaxNote)))
	do(uma, "rate", in()+`,"score":5,"comment":`+quoted(pad(chat.MaxNote)))
	do(uma, "reopen", in())
	require.ElementsMatch(t, slices.Collect(maps.Keys(commands)), slices.Collect(maps.Keys(done)))
	go s.Drain(t.Context())
	uma.await(`{"event":"closing"`)

	seen, longest := map[string]int{}, 0
	for _, p := range peers {
		p.mu.Lock()
		for _, line := range p.all {
			var e struct{ Event string }
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			seen[e.Event] = max(seen[e.Event], len(line))
			longest = max(longest, len(line))
		}
		var closed *gws.CloseError
		if p.code != nil {
			require.ErrorAs(t, p.code, &closed)
			require.EqualValues(t, chat.CloseGoingAway, closed.Code)
		}
		p.mu.Unlock()
	}
	t.Logf("longest lines: %v, of all %d", seen, longest)
	one := seen["session"] // the longest single item
	require.LessOrEqual(t, longest, chat.PageBytes+one)
	require.LessOrEqual(t, seen["hello"], chat.PageBytes)
	require.Greater(t, seen["hello"], chat.PageBytes/2)
	require.LessOrEqual(t, seen["queue"], chat.PageBytes)
	delete(seen, "")
	delete(seen, "reset") // only after a Redis that fell back
	require.ElementsMatch(t, []string{"hello", "message", "recalled", "read", "typing", "session", "unread", "queue", "position",
		"offer", "offer-ended", "presence", "closing"}, slices.Collect(maps.Keys(seen)))
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, rdb.Close())
}
