package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

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
	probe := b.hall.Probe()
	resets := func(waiting int) (n int) {
		probe.View(q).Do(func() { w.waiting = waiting }) // whoever looks at `waiting` has that lock
		probe.Show()
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
	b.hall.Resync()
	require.Equal(t, before, resets(2*chat.PageBytes))
	require.Equal(t, before+1, resets(0))
	require.Equal(t, before+1, resets(0))
}
