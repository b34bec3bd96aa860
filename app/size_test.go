package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/client"
	"bellhop/internal/testenv"
)

// sizeLimit is how long what the server sends may be: a page, and one item of the largest size.
const sizeLimit = chat.PageBytes

func bossOf() chat.Actor { return chat.Actor{Host: true} }

func (r *raw) ask(id int, line string) string {
	r.t.Helper()
	r.write(fmt.Sprintf(`{"id":%d,%s}`, id, line))
	return r.next(fmt.Sprintf(`{"id":%d,`, id))
}

// texts opens a session of n messages of one text.
func texts(t *testing.T, n *node, q, text string, count int) (session, user string) {
	t.Helper()
	user = name("uma")
	s, err := n.broker.Open(t.Context(), bossOf(), chat.OpenRequest{User: chat.Person{ID: user}, Queue: q})
	require.NoError(t, err)
	body, err := json.Marshal(text)
	require.NoError(t, err)
	for range count {
		_, err := n.broker.Send(t.Context(), bossOf(), chat.SendRequest{Session: s.ID, As: chat.RoleUser, Body: body})
		require.NoError(t, err)
	}
	return s.ID, user
}

// A history of long texts comes in pages that each fit, both ways, over the
// WebSocket and HTTP; no connection is closed for it.
func TestLongHistories(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	for what, text := range map[string]string{"letters": strings.Repeat("x", 16000), "line breaks": strings.Repeat("\n", 16000),
		"controls": strings.Repeat("\x01", 16000), "quotes": strings.Repeat(`"`, 16000)} {
		t.Run(what, func(t *testing.T) {
			s, user := texts(t, n, name("q"), text, 70)
			r := dialRaw(t, n, "/websocket", "bellhop.v1", token(t, n, client.TokenRequest{Role: "user", ID: user}))
			r.next(`"hello"`)
			for _, limit := range []int{0, 50, 200} {
				for _, first := range []string{`"after":0`, `"x":0`} {
					got := pages(t, limit, first, func(query string) string {
						return r.ask(7, `"cmd":"history","session":"`+s+`",`+query)
					})
					require.Len(t, got, 71)
				}
			}
			a := get(t, http.DefaultClient, n.url(), "/api/v1/sessions/"+s+"/messages?limit=200", key)
			require.LessOrEqual(t, len(a.body), sizeLimit)
			require.Contains(t, a.body, `"more":true`)
			a = get(t, http.DefaultClient, n.url(), "/api/v1/sessions/"+s+"/transcript", key)
			require.Equal(t, 71, strings.Count(a.body, `"mid":`))
		})
	}
}

// pages asks for history until there is no more, and gives the seqs that came.
func pages(t *testing.T, limit int, query string, ask func(query string) string) map[int64]bool {
	t.Helper()
	seen := map[int64]bool{}
	forward := strings.HasPrefix(query, `"after"`)
	for {
		q := query
		if limit > 0 {
			q += fmt.Sprintf(`,"limit":%d`, limit)
		}
		line := ask(q)
		require.LessOrEqual(t, len(line), sizeLimit)
		var a struct{ OK chat.HistoryReply }
		require.NoError(t, json.Unmarshal([]byte(line), &a), line[:min(200, len(line))])
		require.NotEmpty(t, a.OK.Messages)
		for _, m := range a.OK.Messages {
			require.False(t, seen[m.Seq], "%d twice", m.Seq)
			seen[m.Seq] = true
		}
		if !a.OK.More {
			return seen
		}
		query = fmt.Sprintf(`"before":%d`, a.OK.Messages[0].Seq)
		if forward {
			query = fmt.Sprintf(`"after":%d`, a.OK.Messages[len(a.OK.Messages)-1].Seq)
		}
	}
}

// A client that asks for many long pages at once gets them all, however slowly it reads.
func TestManyLongRepliesAtOnce(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	s, user := texts(t, n, name("q"), strings.Repeat("\n", 16000), 40)
	r := dialRaw(t, n, "/websocket", "bellhop.v1", token(t, n, client.TokenRequest{Role: "user", ID: user}))
	r.next(`"hello"`)
	var frame []string
	for id := 1; id <= 60; id++ { // 15 MB
		frame = append(frame, fmt.Sprintf(`{"id":%d,"cmd":"history","session":"%s"}`, id, s))
	}
	r.write(strings.Join(frame, "\n"))
	for id := 1; id <= 60; id++ {
		_, err := n.broker.Send(t.Context(), bossOf(), chat.SendRequest{Session: s, As: chat.RoleSystem, Body: json.RawMessage(`"meanwhile"`)})
		require.NoError(t, err)
		r.next(fmt.Sprintf(`{"id":%d,"ok"`, id))
	}
}

// whole is a session with as much in it as is legal.
func whole(t *testing.T, n *node, q string, i int) chat.Session {
	t.Helper()
	pad := func(n int) string { return strings.Repeat(`"`, n) }
	u := chat.Person{ID: name("u"), Name: pad(64), Avatar: "https://a.example/" + strings.Repeat("a", 2000)}
	meta := `{"x":"` + strings.Repeat("y", 4000) + `"}`
	s, err := n.broker.Open(t.Context(), bossOf(), chat.OpenRequest{User: u, Queue: q, Subject: pad(256), Meta: json.RawMessage(meta)})
	require.NoError(t, err, i)
	return s
}

// An agent whose sessions are more than hello holds connects all the same, and
// finds the rest: by hello's `more`, and with `sessions`.
func TestAHelloOfVeryManySessions(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q, ann := name("q"), name("ann")
	tok := token(t, n, client.TokenRequest{Role: "agent", ID: ann, Queues: []string{q}, Capacity: 10000})
	as, err := n.broker.AgentActor(t.Context(), ann)
	require.NoError(t, err)
	open := map[string]bool{}
	for i := range 100 {
		s := whole(t, n, q, i)
		_, err := n.broker.Grab(t.Context(), as, s.ID)
		require.NoError(t, err)
		open[s.ID] = true
	}
	r := dialRaw(t, n, "/websocket", "bellhop.v1", tok)
	line := r.next(`"hello"`)
	require.LessOrEqual(t, len(line), sizeLimit)
	var hello struct {
		Sessions []chat.Session
		More     bool
	}
	require.NoError(t, json.Unmarshal([]byte(line), &hello))
	require.True(t, hello.More)
	require.Greater(t, len(hello.Sessions), 20)
	for cursor := ""; ; {
		line := r.ask(5, `"cmd":"sessions","state":"serving","limit":200,"cursor":"`+cursor+`"`)
		require.LessOrEqual(t, len(line), sizeLimit)
		var a struct{ OK chat.SessionsReply }
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		for _, s := range a.OK.Sessions {
			require.True(t, open[s.ID])
			delete(open, s.ID)
		}
		if cursor = a.OK.Cursor; cursor == "" {
			break
		}
	}
	require.Empty(t, open)
}

// What a watcher sees of long queues fits, and `sessions` lists the rest of them.
func TestWatchingLongQueues(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	queues := []string{name("q"), name("q")}
	for _, q := range queues {
		for i := range 200 {
			whole(t, n, q, i)
		}
	}
	r := dialRaw(t, n, "/websocket", "bellhop.v1", token(t, n, client.TokenRequest{Role: "agent", ID: name("ann"), Queues: queues}))
	line := r.next(`"hello"`)
	require.LessOrEqual(t, len(line), sizeLimit)
	line = r.ask(3, `"cmd":"watch"`)
	require.LessOrEqual(t, len(line), sizeLimit)
	var a struct {
		OK struct{ Queues []chat.QueueView }
	}
	require.NoError(t, json.Unmarshal([]byte(line), &a))
	require.Len(t, a.OK.Queues, 2)
	for _, q := range a.OK.Queues {
		require.Equal(t, 200, q.Size)
		require.True(t, q.More)
		require.Greater(t, len(q.Waiting), 5)
		seen := map[string]bool{}
		for cursor := ""; ; {
			line := r.ask(4, `"cmd":"sessions","state":"waiting","queue":"`+q.Queue+`","limit":200,"cursor":"`+cursor+`"`)
			require.LessOrEqual(t, len(line), sizeLimit)
			var page struct{ OK chat.SessionsReply }
			require.NoError(t, json.Unmarshal([]byte(line), &page))
			for _, s := range page.OK.Sessions {
				seen[s.ID] = true
			}
			if cursor = page.OK.Cursor; cursor == "" {
				break
			}
		}
		require.Len(t, seen, 200)
	}
	for _, path := range []string{"/api/v1/sessions?limit=200", "/api/v1/sessions?limit=200&state=waiting", "/api/v1/sessions?limit=200&queue=" + queues[0]} {
		got := get(t, http.DefaultClient, n.url(), path, key)
		require.LessOrEqual(t, len(got.body), sizeLimit, path)
		require.NotContains(t, got.body, `"cursor":""`, path)
	}
}
