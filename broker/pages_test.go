package broker

import (
	"bellhop/broker/chat"

	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// A queue's reset, and the answer of watch for all queues together, fit.
func TestResetsAndViewsFit(t *testing.T) {
	v := &View{queue: strings.Repeat(`"`, chat.MaxID), sessions: map[string]*chat.Snapshot{}}
	for i := range Shown {
		s := &chat.Snapshot{Session: chat.Session{ID: fmt.Sprintf("00-%d", i), Queue: v.queue, Subject: strings.Repeat(`"`, chat.MaxSubject),
			Meta: json.RawMessage(`{"x":"` + strings.Repeat("y", 4000) + `"}`)}}
		v.list, v.sessions[s.ID] = append(v.list, waiter{id: s.ID, score: float64(i)}), s
	}
	var e struct {
		Reset []chat.Session
		Size  int
		More  bool
	}
	line := v.reset()
	require.LessOrEqual(t, len(line), chat.PageBytes)
	require.Greater(t, len(line), chat.PageBytes-10000)
	require.NoError(t, json.Unmarshal(line, &e))
	require.True(t, e.More)
	require.Equal(t, Shown, e.Size)

	queues := make([]chat.QueueView, chat.MaxQueuesOfOne)
	for i := range queues {
		queues[i] = v.shot()
	}
	chat.Fill(queues)
	require.LessOrEqual(t, chat.Sized(queues), chat.PageBytes)
	require.NotEmpty(t, queues[0].Waiting)
	one := []chat.QueueView{{Waiting: []chat.Session{{Subject: strings.Repeat("x", 2*chat.PageBytes)}}, Size: 1}}
	chat.Fill(one)
	require.Len(t, one[0].Waiting, 1)
	require.False(t, one[0].More)
}

// busyWire is a connection that is behind.
type busyWire struct {
	wire
	waiting int
}

func (w *busyWire) Waiting() int { return w.waiting }

// Lists that are read again, all at once, are given to a connection as it has room for them.
func TestListsWaitForRoom(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	w := &busyWire{wire: wire{more: make(chan struct{})}}
	id := chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1, Issued: time.Now()}
	c, err := b.Connect(t.Context(), id, "", w)
	require.NoError(t, err)
	defer c.Close(t.Context())
	_, err = b.Watch(t.Context(), chat.Actor{Identity: id, Conn: c}, nil)
	require.NoError(t, err)
	probe := b.hub.Probe()
	resets := func(waiting int) (n int) {
		probe.View(q).Do(func() { w.waiting = waiting }) // whoever looks at `waiting` has that lock
		probe.ShowViews()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if _, ok := e["reset"]; ok {
				n++
			}
		}
		return n
	}
	before := resets(2 * chat.PageBytes)
	probe.ResyncViews()
	require.Equal(t, before, resets(2*chat.PageBytes))
	require.Equal(t, before+1, resets(0))
	require.Equal(t, before+1, resets(0))
}
