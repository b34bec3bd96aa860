package broker

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// keepFull fills a Redis to its last byte, and whatever comes free, until the test ends.
func keepFull(t *testing.T, rdb *redis.Client) {
	t.Helper()
	fill := func(ctx context.Context, size int) {
		for rdb.Set(ctx, name("junk"), strings.Repeat("x", size), 0).Err() == nil && ctx.Err() == nil {
		}
	}
	fill(t.Context(), 10000)
	fill(t.Context(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for store.Sleep(ctx, 2*time.Millisecond) {
			fill(ctx, 1)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// Redis is full and stays so: whatever ends a session, or lets one go on that would
// be stuck, is done all the same; what asks for more is refused.
func TestWhatUnsticksIsDoneInAFullRedis(t *testing.T) {
	server := testenv.Redis(t, "--maxmemory", "16mb", "--maxmemory-policy", "noeviction")
	a, b := startNode(t, server.URL(), soon), startNode(t, server.URL(), soon)
	ctx := t.Context()
	queue := func(change func(*chat.QueueSettings)) string {
		q := name("q")
		a.set(t, q, change)
		return q
	}
	plain, brief := queue(func(*chat.QueueSettings) {}), queue(func(s *chat.QueueSettings) {
		s.OfferTimeout, s.EndTimeout, s.IdleTimeout, s.AbandonTimeout, s.AgentGrace = 3, 3, 4, 3, 3
	})
	parted := queue(func(s *chat.QueueSettings) { s.AgentGrace = 3 }) // not idle before its agent is gone, however slow the machine
	ann, bea := agent(t, a, name("ann"), plain, brief), agent(t, b, name("bea"), plain, brief)
	bob, uma := agent(t, b, name("bob"), parted), user(t, a, name("uma"))
	served := func(q string, by *party) chat.Session {
		s := openFor(t, a, q, name("uma"))
		return by.grab(s.ID)
	}
	ended := uma.open(plain)
	ann.grab(ended.ID)
	moved, declined, cancelled, left := served(plain, ann), served(plain, ann), served(plain, ann), served(plain, ann)
	_, err := b.Join(ctx, bea.Actor, left.ID, false)
	require.NoError(t, err)
	gone := served(parted, bob)
	idle, ending := served(brief, ann), served(brief, ann)
	lonely := user(t, b, name("uma"))
	abandoned := lonely.open(brief)
	expired := served(brief, ann)
	for _, s := range []chat.Session{declined, cancelled, expired} {
		_, err = a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
	}
	_, err = a.End(ctx, ann.Actor, chat.EndRequest{Session: ending.ID})
	require.NoError(t, err)
	keepFull(t, server.Client())

	bob.Conn.Close(ctx)
	lonely.Conn.Close(ctx)
	_, err = a.Send(ctx, uma.Actor, chat.SendRequest{Session: ended.ID, Body: json.RawMessage(`"hello"`)})
	code(t, chat.CodeOverloaded, err)
	_, err = a.Open(ctx, uma.Actor, chat.OpenRequest{Queue: brief})
	code(t, chat.CodeOverloaded, err)
	_, err = a.End(ctx, uma.Actor, chat.EndRequest{Session: ended.ID, Reason: "bye"})
	require.NoError(t, err)
	_, err = a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: moved.ID, Queue: brief})
	require.NoError(t, err)
	_, err = b.Decline(ctx, bea.Actor, declined.ID, "busy")
	require.NoError(t, err)
	_, err = a.Cancel(ctx, ann.Actor, cancelled.ID)
	require.NoError(t, err)
	_, err = b.Leave(ctx, bea.Actor, left.ID)
	require.NoError(t, err)
	for s, want := range map[string]chat.State{gone.ID: chat.Waiting, idle.ID: chat.Ended, ending.ID: chat.Ended, abandoned.ID: chat.Ended} {
		eventually(t, func() bool {
			st, err := a.sessions.Look(ctx, s)
			return err == nil && st.State == want
		})
	}
	eventually(t, func() bool { // by its time-out; then it is idle
		st, err := a.sessions.Look(ctx, expired.ID)
		return err == nil && st.Target == nil
	})
	eventually(t, func() bool { return b.store.Redis.HLen(ctx, b.store.Home(bob.ID).Load(bob.ID)).Val() == 0 })
	_, err = a.Send(ctx, ann.Actor, chat.SendRequest{Session: left.ID, Body: json.RawMessage(`"still full"`)})
	code(t, chat.CodeOverloaded, err)
}
