package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/live"
	"bellhop/internal/testenv"
)

// Each queue and map of a node that clients can fill is filled here, or in the
// tests that the table in docs/architecture.md names.

// What waits for a session to be read from Redis is bounded; nothing is lost by it.
func TestAFeedsBacklogIsBounded(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ann, uma, s := served(t, b)
	eventually(t, func() bool { return b.hub.Probe().Feed(s.ID) != nil })
	first := uma.send(s.ID, "to be recalled")
	ann.await("message", func(e event) bool { return e["body"] == "to be recalled" })
	f := b.hub.Probe().Feed(s.ID)
	f.Stall()
	big := strings.Repeat("x", chat.MaxText)
	sent := 2 * live.MaxBacklog / chat.MaxText
	for range sent {
		uma.send(s.ID, big)
	}
	uma.send(s.ID, "short")
	require.NoError(t, b.Recall(t.Context(), uma.Actor, s.ID, first.Seq))
	eventually(t, func() bool {
		backlog, _, again := f.Backlog()
		return again && backlog[len(backlog)-1][0] == chat.PubRecalled
	})
	n := 0
	backlog, _, _ := f.Backlog()
	for _, payload := range backlog {
		n += len(payload)
	}
	require.LessOrEqual(t, n, live.MaxBacklog+100)
	f.Fill()
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
	_, weight, _ := f.Backlog()
	require.Zero(t, weight)
}

// Likewise what waits for a queue's list.
func TestAViewsBacklogIsBounded(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	ann := agent(t, b, name("ann"), q)
	_, err := b.Watch(t.Context(), ann.Actor, nil)
	require.NoError(t, err)
	v := b.hall.Probe().View(q)
	v.Stall()
	meta := json.RawMessage(`{"m":"` + strings.Repeat("m", 4000) + `"}`)
	const n = 300
	for range n {
		_, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q, Meta: meta})
		require.NoError(t, err)
	}
	eventually(t, func() bool {
		_, weight := v.Backlog()
		return weight > live.MaxBacklog
	})
	kept := 0
	backlog, _ := v.Backlog()
	for _, payload := range backlog {
		kept += len(payload)
	}
	require.LessOrEqual(t, kept, live.MaxBacklog)
	require.NoError(t, v.Renew(t.Context()))
	ann.await("queue", func(e event) bool { return e["reset"] != nil && e["size"] == float64(n) })
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

	b.hub.Probe().Unseen(boss.Conn, chat.MaxWatched)
	s := user(t, b, name("uma")).open(name("q"))
	_, err = b.Join(t.Context(), boss.Actor, s.ID, true)
	code(t, chat.CodeFull, err)
	b.hub.Probe().Unseen(boss.Conn, 0)
	_, err = b.Join(t.Context(), boss.Actor, s.ID, true)
	require.NoError(t, err)
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
