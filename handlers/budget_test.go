package handlers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/client"
)

// A participant reads no more than its budget at a node, over all its connections
// and by whatever command or call: then it is told when to go on, and can. Others,
// and the host application, notice nothing.
func TestReadsHaveABudget(t *testing.T) {
	readsHaveABudget(t, 256<<10, "history", "messages", "transcript", "sessions", "list")
	readsHaveABudget(t, 64<<10, "session") // whose answers are short: a slow machine spends more than that, too
	readsHaveABudget(t, 128<<10, "open, again and again")
}

// readsHaveABudget is that of some commands and calls. At once it is eight times the rate, in
// bytes a second; a quarter of both for a user.
func readsHaveABudget(t *testing.T, rate int, names ...string) {
	t.Helper()
	e := newEdgeWith(t, Options{}, float64(rate))
	host := chat.Actor{Host: true}
	s, err := e.broker.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: "uma"}})
	require.NoError(t, err)
	for range 200 {
		_, err := e.broker.Send(t.Context(), host, chat.SendRequest{Session: s.ID, As: chat.RoleUser, Type: "text",
			Body: json.RawMessage(`"` + strings.Repeat("x", 10000) + `"`)})
		require.NoError(t, err)
	}
	call := func(token, path string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.addr+"/api/v1"+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(data), res.Header
	}
	var token string
	spend := map[string]func(w *wire, id int) (bytes int, refusal string){}
	command := func(fields string) func(*wire, int) (int, string) {
		return func(w *wire, id int) (int, string) {
			w.send(t, frame(0x81, []byte(fmt.Sprintf(`{"id":%d,%s}`, id, fields))))
			line := w.line(t, fmt.Sprintf(`{"id":%d,`, id))
			if strings.Contains(line, `"error"`) {
				return 0, line
			}
			return len(line), ""
		}
	}
	get := func(path string) func(*wire, int) (int, string) {
		return func(*wire, int) (int, string) {
			status, body, header := call(token, path)
			if status == http.StatusOK {
				return len(body), ""
			}
			require.Equal(t, http.StatusTooManyRequests, status)
			require.NotEmpty(t, header.Get("Retry-After"))
			return 0, body
		}
	}
	spend["history"] = command(`"cmd":"history","session":"` + s.ID + `","limit":200`)
	spend["sessions"] = command(`"cmd":"sessions","limit":200`)
	spend["open, again and again"] = command(`"cmd":"open"`)
	spend["messages"] = get("/sessions/" + s.ID + "/messages?limit=200")
	spend["session"] = get("/sessions/" + s.ID)
	spend["transcript"] = get("/sessions/" + s.ID + "/transcript")
	spend["list"] = get("/sessions?limit=200")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			rate, f := rate, spend[name]
			if token = e.issue(t, chat.RoleSupervisor, name); strings.HasPrefix(name, "open") {
				token, rate = e.token, rate/4
			}
			var wires []*wire
			for range 3 {
				w := e.connect(t, token)
				w.line(t, `{"event":"hello"`)
				wires = append(wires, w)
			}
			began, got, n, refusal := time.Now(), 0, 0, ""
			for ; refusal == "" && time.Since(began) < 15*time.Second; n++ {
				var bytes int
				bytes, refusal = f(wires[n%3], n+1)
				got += bytes
			}
			require.Contains(t, refusal, `"code":"rate_limited"`, "%d bytes in %d answers", got, n)
			most := 8*rate + int(time.Since(began).Seconds()*float64(rate)) + 3<<20 // and the last answer
			require.Less(t, got, most)
			var told struct {
				RetryAfter int64
				Error      struct{ RetryAfter int64 }
			}
			require.NoError(t, json.Unmarshal([]byte(refusal), &told))
			wait := time.Duration(told.RetryAfter+told.Error.RetryAfter) * time.Millisecond
			require.Positive(t, wait)
			status, _, _ := call("key", "/sessions/"+s.ID+"/messages?limit=200")
			require.Equal(t, http.StatusOK, status)
			e.other.send(t, frame(0x81, []byte(`{"id":77,"cmd":"sessions"}`)))
			e.other.line(t, `{"id":77,"ok"`)
			time.Sleep(wait)
			_, refusal = f(wires[0], n+1)
			require.Empty(t, refusal, "after retryAfter")
			for _, w := range wires {
				_ = w.Close()
			}
			e.othersAreServed(t)
		})
	}
}

// Coming and going costs, too, since hello is long.
func TestConnectingHasABudget(t *testing.T) {
	e := newEdgeWith(t, Options{}, 1<<20)
	for n := 0; ; n++ {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.addr+"/websocket", nil)
		require.NoError(t, err)
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": e.token} {
			req.Header.Set(k, v)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			require.NotEmpty(t, res.Header.Get("Retry-After"))
			require.Greater(t, n, 20) // all devices, and some more
			break
		}
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
		require.Less(t, n, 200)
		require.Eventually(t, func() bool { return e.Conns() == 1 }, 5*time.Second, time.Millisecond)
	}
	e.othersAreServed(t)
}

// The Go client, coming back with far more to read than it may at once, waits and
// misses nothing.
func TestComingBackOnATightBudget(t *testing.T) {
	e := newEdgeWith(t, Options{}, 128<<10) // bursts are 1 MiB
	host, q := chat.Actor{Host: true}, "tight"
	token, _, err := e.broker.IssueToken(t.Context(), chat.Identity{Role: chat.RoleAgent, ID: "ann", Queues: []string{q}, Capacity: 1000}, time.Hour)
	require.NoError(t, err)
	var mu sync.Mutex
	got, began := map[string]int64{}, time.Now()
	c, err := client.Dial(t.Context(), client.Options{URL: "http://" + e.addr, Token: token, MinBackoff: time.Second, // away until all is sent
		MaxBackoff: time.Second, OnEvent: func(ev client.Event) {
			mu.Lock()
			defer mu.Unlock()
			if m, ok := ev.(*client.MessageEvent); ok {
				if m.Message.Seq != got[m.Message.Session]+1 {
					t.Errorf("%s: %d after %d", m.Message.Session, m.Message.Seq, got[m.Message.Session])
				}
				got[m.Message.Session] = m.Message.Seq
			}
		}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var sessions []string
	for i := range 60 {
		s, err := e.broker.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: fmt.Sprint("u", i)}, Queue: q})
		require.NoError(t, err)
		ann, err := e.broker.AgentActor(t.Context(), "ann")
		require.NoError(t, err)
		_, err = e.broker.Grab(t.Context(), ann, s.ID)
		require.NoError(t, err)
		sessions = append(sessions, s.ID)
	}
	last := map[string]int64{}
	for _, id := range sessions {
		for _, s := range e.all() { // again, whenever it is back
			s.mu.Lock()
			ws := s.ws
			s.mu.Unlock()
			if ws != nil && s.peer.Identity().ID == "ann" {
				_ = ws.NetConn().Close()
			}
		}
		for range 4 {
			r, err := e.broker.Send(t.Context(), host, chat.SendRequest{Session: id, As: chat.RoleUser, Body: json.RawMessage(`"` + strings.Repeat("x", 6000) + `"`)})
			require.NoError(t, err)
			last[id] = r.Seq
		}
	}
	t.Logf("sent after %v", time.Since(began))
	limited, ann := false, chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: "ann"}}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		limited = limited || e.broker.AllowRead(ann, 0) != nil
		for id, seq := range last {
			if got[id] != seq {
				return false
			}
		}
		return true
	}, 60*time.Second, 5*time.Millisecond)
	require.True(t, limited, "the budget was never used up")
	c.Close()
	e.othersAreServed(t)
}
