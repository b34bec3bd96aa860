package broker

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// A page holds what fits, and one item at least.
func TestAPageHoldsWhatFits(t *testing.T) {
	p := newPage()
	require.True(t, p.fits(2*PageBytes))
	require.False(t, p.fits(1))
	p = newPage()
	n := 0
	for p.fits(999) {
		n++
	}
	require.Equal(t, (PageBytes-envelope)/1000, n)
}

// What an entry is taken to be as JSON is what it is, within a few bytes more.
func TestTheSizeOfAnEntry(t *testing.T) {
	for _, body := range []string{`"x"`, quote(strings.Repeat("\n", 16000)), quote(strings.Repeat("\x01", 500)), ""} {
		for _, reply := range []int64{0, 1 << 40} {
			e := entry{seq: 1 << 52, at: 1764182925000, by: "u:a", key: `k"`, body: body,
				head: head("01M8CM7ETAJT5Y3QH5NTEEA83K", Author{"a\"b", RoleUser, "n\u2028<&>"}, TypeText, reply)}
			m, err := e.message("00-01M8CM7ETAJT5Y3QH5NTEEA83K", true)
			require.NoError(t, err)
			got, want := e.size(m.Session, true), sized(m)
			require.GreaterOrEqual(t, got, want)
			require.Less(t, got, want+100)
		}
	}
}

// A queue's reset, and the answer of watch for all queues together, fit.
func TestResetsAndViewsFit(t *testing.T) {
	v := &view{queue: strings.Repeat(`"`, MaxID), sessions: map[string]*state{}}
	for i := range shown {
		s := &state{Session: Session{ID: fmt.Sprintf("00-%d", i), Queue: v.queue, Subject: strings.Repeat(`"`, MaxSubject),
			Meta: json.RawMessage(`{"x":"` + strings.Repeat("y", 4000) + `"}`)}}
		v.list, v.sessions[s.ID] = append(v.list, waiter{id: s.ID, score: float64(i)}), s
	}
	var e struct {
		Reset []Session
		Size  int
		More  bool
	}
	line := v.reset()
	require.LessOrEqual(t, len(line), PageBytes)
	require.Greater(t, len(line), PageBytes-10000)
	require.NoError(t, json.Unmarshal(line, &e))
	require.True(t, e.More)
	require.Equal(t, shown, e.Size)

	queues := make([]QueueView, maxQueues)
	for i := range queues {
		queues[i] = v.shot()
	}
	fill(queues)
	require.LessOrEqual(t, sized(queues), PageBytes)
	require.NotEmpty(t, queues[0].Waiting)
	one := []QueueView{{Waiting: []Session{{Subject: strings.Repeat("x", 2*PageBytes)}}, Size: 1}}
	fill(one)
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
	id := Identity{Role: RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1, Issued: time.Now()}
	c, err := b.Connect(t.Context(), id, "", w)
	require.NoError(t, err)
	defer c.Close(t.Context())
	_, err = b.Watch(t.Context(), Actor{Identity: id, Conn: c}, nil)
	require.NoError(t, err)
	resets := func(waiting int) (n int) {
		b.hub.views.byQueue[q].mu.Lock() // whoever looks at `waiting` has it
		w.waiting = waiting
		b.hub.views.byQueue[q].mu.Unlock()
		b.hub.views.show()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if _, ok := e["reset"]; ok {
				n++
			}
		}
		return n
	}
	before := resets(2 * PageBytes)
	b.hub.views.resync()
	require.Equal(t, before, resets(2*PageBytes))
	require.Equal(t, before+1, resets(0))
	require.Equal(t, before+1, resets(0))
}
