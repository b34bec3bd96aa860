//go:build !race

// The client library lets two goroutines read the answers of one command where it
// sends a batch again that was redirected. That race is the library's, and ends these
// tests under the detector; they run without it (see the Makefile).

package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A partition's slot is moved to another master, key by key, while people talk in it:
// what has to wait waits, nothing is refused, nothing is lost, and all is well afterwards.
func TestASlotMovesUnderLoad(t *testing.T) {
	cluster := testenv.Cluster(t)
	a, b := startNode(t, cluster.URL()), startNode(t, cluster.URL())
	nodes, ctx, q := []*Broker{a, b}, t.Context(), name("q")
	home := a.store.Home(name("uma"))
	inHome := func(prefix string) string {
		for {
			if id := name(prefix); a.store.Home(id) == home {
				return id
			}
		}
	}
	for range 40 { // something to move
		openFor(t, a, name("q"), inHome("uma"))
	}
	var rounds, sent atomic.Int64
	var mu sync.Mutex
	sessions := map[string]int64{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		n := nodes[i%2]
		ann := connect(t, n, chat.Identity{Role: chat.RoleAgent, ID: inHome("ann"), Queues: []string{q}, Capacity: 10}, "")
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: inHome("uma")}}
				s, err := n.Open(ctx, uma, chat.OpenRequest{Queue: q})
				if err == nil {
					_, err = n.Grab(ctx, ann.Actor, s.ID)
				}
				for range 3 {
					if err == nil {
						_, err = n.Send(ctx, uma, chat.SendRequest{Session: s.ID, Body: []byte(`"hello"`)})
						sent.Add(1)
					}
				}
				if err == nil {
					_, err = n.Read(ctx, ann.Actor, s.ID, 4)
				}
				if err == nil {
					_, err = n.End(ctx, uma, chat.EndRequest{Session: s.ID})
				}
				if err != nil {
					t.Error(err)
					return
				}
				rounds.Add(1)
				mu.Lock()
				sessions[s.ID] = 6 // opened, grabbed, three messages, ended
				mu.Unlock()
			}
		})
	}
	eventually(t, func() bool { return rounds.Load() > 10 })
	for range 2 {
		began, before := time.Now(), rounds.Load()
		cluster.MoveSlot(home.Timers(), 2*time.Millisecond)
		t.Logf("moved in %v, %d rounds meanwhile", time.Since(began), rounds.Load()-before)
		after := rounds.Load()
		eventually(t, func() bool { return t.Failed() || rounds.Load() > after+10 })
	}
	close(stop)
	wg.Wait()
	for id, seq := range sessions {
		st, err := b.sessions.Look(ctx, id)
		require.NoError(t, err)
		require.Equal(t, seq, st.Seq)
		log, err := b.sessions.ReadLog(ctx, id, 0, 100)
		require.NoError(t, err)
		require.Len(t, log, int(seq))
	}
	uma, ann := user(t, a, inHome("uma")), agent(t, b, inHome("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "live again")
	ann.await("message", func(e event) bool { return e["body"] == "live again" })
	clean(t, a)
}

// Whoever has less patience than the move lasts is told so, and nothing was stored.
func TestAMovingSlotEndsPatience(t *testing.T) {
	cluster := testenv.Cluster(t)
	b := startNode(t, cluster.URL())
	home := b.store.Home(name("uma"))
	for range 40 {
		id := name("uma")
		for b.store.Home(id) != home {
			id = name("uma")
		}
		openFor(t, b, name("q"), id)
	}
	moving := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		close(moving)
		cluster.MoveSlot(home.Timers(), 20*time.Millisecond)
	})
	<-moving
	id := name("uma")
	for b.store.Home(id) != home {
		id = name("uma")
	}
	impatient := 0
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		q := name("q")
		_, err := b.Open(ctx, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: id}}, chat.OpenRequest{Queue: q})
		cancel()
		if err == nil {
			continue
		}
		impatient++
		code(t, chat.CodeUnavailable, err)
	}
	wg.Wait()
	require.Positive(t, impatient)
	clean(t, b)
}
