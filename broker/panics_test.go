package broker

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// brittle is a sink that panics, once, on an event that has a word in it.
type brittle struct {
	*wire
	word atomic.Pointer[string]
}

func (b *brittle) Deliver(lines []byte) {
	if w := b.word.Load(); w != nil && strings.Contains(string(lines), *w) && b.word.CompareAndSwap(w, nil) {
		panic("on " + *w)
	}
	b.wire.Deliver(lines)
}

// A panic while events are shown ends the connections it was about, and the node
// goes on: others in other sessions notice nothing, and who comes back misses nothing.
func TestAPanicWhileEventsAreShown(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), name("q"))
	s := uma.open(ann.Queues[0])
	ann.grab(s.ID)
	vic := user(t, b, name("vic"))
	other := vic.open(ann.Queues[0])
	ann.grab(other.ID)
	for _, word := range []string{`"event":"message"`, `"event":"typing"`, `"event":"session"`, `"event":"unread"`, `"event":"offer"`} {
		sink := &brittle{wire: &wire{more: make(chan struct{})}}
		role, id, queue := chat.RoleUser, uma.ID, []string(nil)
		if word == `"event":"offer"` {
			role, id, queue = chat.RoleAgent, name("bea"), ann.Queues
		}
		c, err := b.Connect(t.Context(), chat.Identity{Role: role, ID: id, Queues: queue, Issued: time.Now(), Capacity: 10}, "", sink)
		require.NoError(t, err)
		before := b.store.Panics()
		sink.word.Store(&word)
		switch word {
		case `"event":"typing"`:
			require.NoError(t, b.Typing(t.Context(), ann.Actor, s.ID, "x"))
		case `"event":"session"`:
			_, err = b.Label(t.Context(), ann.Actor, LabelRequest{Session: s.ID, Add: []string{"l"}})
			require.NoError(t, err)
			_, err = b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s.ID})
			require.NoError(t, err)
		case `"event":"offer"`:
			_, err = b.Transfer(t.Context(), ann.Actor, chat.TransferRequest{Session: other.ID, Agent: id})
			require.NoError(t, err)
		default:
			ann.send(s.ID, "hello")
		}
		eventually(t, func() bool {
			sink.mu.Lock()
			defer sink.mu.Unlock()
			return sink.code == chat.CloseInternal
		})
		require.Equal(t, before+1, b.store.Panics(), word)
		c.Close(t.Context())

		again := user(t, b, uma.ID) // who was shut comes back
		again.send(s.ID, "back")
		ann.send(s.ID, "welcome")
		again.await("message", func(e event) bool { return e["body"] == "welcome" })
		again.Conn.Close(t.Context())
		vic.send(other.ID, "still here")
	}
}
