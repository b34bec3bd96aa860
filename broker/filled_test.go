package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Each queue and map of a node that clients can fill is filled here, or in the
// tests that the table in docs/architecture.md names.

// What waits for a session to be read from Redis is bounded; nothing is lost by it.
func TestAFeedsBacklogIsBounded(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ann, uma, s := served(t, b)
	eventually(t, func() bool { return b.hub.live(s.ID) != nil })
	first := uma.send(s.ID, "to be recalled")
	ann.await("message", func(e event) bool { return e["body"] == "to be recalled" })
	f := b.hub.live(s.ID)
	f.mu.Lock()
	f.busy = true
	f.mu.Unlock()
	big := strings.Repeat("x", chat.MaxText)
	sent := 2 * maxBacklog / chat.MaxText
	for range sent {
		uma.send(s.ID, big)
	}
	uma.send(s.ID, "short")
	require.NoError(t, b.Recall(t.Context(), uma.Actor, s.ID, first.Seq))
	eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.again && f.backlog[len(f.backlog)-1][0] == chat.PubRecalled
	})
	f.mu.Lock()
	n := 0
	for _, payload := range f.backlog {
		n += len(payload)
	}
	f.mu.Unlock()
	require.LessOrEqual(t, n, maxBacklog+100)
	f.fill()
	ann.await("message", func(e event) bool { return e["body"] == "short" })
	ann.await("recalled", inSession(s.ID))
	last, got := 0.0, 0
	for _, e := range ann.all() {
		if e["event"] == "message" && e["session"] == s.ID {
			seq, _ := e["seq"].(float64)
			if got > 0 {
				require.InDelta(t, last+1, seq, 0, "in order, each once")
			}
			last, got = seq, got+1
		}
	}
	require.GreaterOrEqual(t, got, sent+2)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Zero(t, f.weight)
}

// Likewise what waits for a queue's list.
func TestAViewsBacklogIsBounded(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	ann := agent(t, b, name("ann"), q)
	_, err := b.Watch(t.Context(), ann.Actor, nil)
	require.NoError(t, err)
	b.hub.views.mu.Lock()
	v := b.hub.views.byQueue[q]
	b.hub.views.mu.Unlock()
	v.mu.Lock()
	v.loading = true
	v.mu.Unlock()
	meta := json.RawMessage(`{"m":"` + strings.Repeat("m", 4000) + `"}`)
	const n = 300
	for range n {
		_, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q, Meta: meta})
		require.NoError(t, err)
	}
	eventually(t, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.weight > maxBacklog
	})
	v.mu.Lock()
	kept := 0
	for _, payload := range v.backlog {
		kept += len(payload)
	}
	v.mu.Unlock()
	require.LessOrEqual(t, kept, maxBacklog)
	require.NoError(t, v.renew(t.Context(), false))
	ann.await("queue", func(e event) bool { return e["reset"] != nil && e["size"] == float64(n) })
}

// A connection for which too much comes before its hello is closed as too slow.
func TestWhatWaitsForHelloIsBounded(t *testing.T) {
	w := &wire{more: make(chan struct{})}
	c := &Conn{sink: w}
	line := []byte(`{"event":"x","y":"` + strings.Repeat("y", 16000) + `"}`)
	for range 2 * maxBacklog / len(line) {
		c.deliver(line)
	}
	require.LessOrEqual(t, c.held, maxBacklog)
	require.EqualValues(t, chat.CloseTooSlow, w.code)
}

// Of more gates than are kept, Redis alone decides.
func TestGatesAreBounded(t *testing.T) {
	var g gates
	for i := range maxGates + 100 {
		gt, first := g.enter(fmt.Sprint(i))
		require.True(t, first)
		g.leave(gt, nil)
	}
	require.Len(t, g.by, maxGates)
	_, first := g.enter("one more")
	require.True(t, first)
	_, first = g.enter("one more")
	require.True(t, first)
}

// One connection watches so many queues, and so many sessions unseen, and no more.
func TestWhatOneConnectionWatchesIsBounded(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineEmbedded)
	b := startNode(t, url, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
	boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
	watch := func(prefix string, n int) error {
		queues := make([]string, n)
		for i := range queues {
			queues[i] = fmt.Sprintf("%s-%d", prefix, i)
		}
		_, err := b.Watch(t.Context(), boss.Actor, queues)
		return err
	}
	for i := range chat.MaxWatched / chat.MaxQueuesOfOne {
		require.NoError(t, watch(fmt.Sprint(i), chat.MaxQueuesOfOne))
	}
	require.NoError(t, watch("0", chat.MaxQueuesOfOne), "what is watched already")
	err := watch("more", 1)
	code(t, chat.CodeFull, err)
	require.Equal(t, chat.MaxWatched, chat.AsError(err).Capacity)

	boss.Conn.mu.Lock()
	boss.Conn.silent = make([]*feed, chat.MaxWatched)
	boss.Conn.mu.Unlock()
	s := user(t, b, name("uma")).open(name("q"))
	_, err = b.Join(t.Context(), boss.Actor, s.ID, true)
	code(t, chat.CodeFull, err)
	boss.Conn.mu.Lock()
	boss.Conn.silent = nil
	boss.Conn.mu.Unlock()
	_, err = b.Join(t.Context(), boss.Actor, s.ID, true)
	require.NoError(t, err)
}

// Sends that were refused are not remembered for ever.
func TestSendsNotHeardOfAreBounded(t *testing.T) {
	f := &feed{}
	for i := range 10 * maxSending {
		f.sends(fmt.Sprint(i), "c")
		require.LessOrEqual(t, len(f.sending), maxSending+1)
	}
}

// A session takes so many assistants, and no more.
func TestAssistantsAreBounded(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	s := user(t, b, name("uma")).open(q)
	ann := agent(t, b, name("ann"), q)
	ann.grab(s.ID)
	for i := range chat.MaxAssists + 1 {
		bob := agent(t, b, name("bob"), q)
		_, err := b.Join(t.Context(), bob.Actor, s.ID, false)
		if i < chat.MaxAssists {
			require.NoError(t, err)
			continue
		}
		code(t, chat.CodeFull, err)
		require.Equal(t, chat.MaxAssists, chat.AsError(err).Capacity)
	}
	clean(t, b)
}
