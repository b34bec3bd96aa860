package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// ownership is what a session's owner is, as one after the other would see it.
type ownership struct {
	owner string // "" while it waits
	moved string // who put it back last
	ended bool
}

// act is one command in a history.
type act struct{ what, by string }

// one is the model that a session must be linearizable to. Outputs are "ok", "no"
// (refused), and "?" (nobody knows): such a one may take effect at any time, or never,
// which is as good as at the very end.
var one = porcupine.Model{
	Init: func() any { return ownership{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(ownership), input.(act), output.(string) //nolint:forcetypeassert // ours
		next, may := s, false
		switch in.what {
		case "grab":
			may = !s.ended && (s.owner == "" || s.owner == in.by)
			next.owner = in.by
			if s.owner == "" {
				next.moved = ""
			}
		case "put back":
			may = !s.ended && (s.owner == in.by || s.owner == "" && s.moved == in.by)
			next.owner, next.moved = "", in.by
		case "end":
			may = true
			next.ended = true
		}
		switch {
		case out == "ok":
			return may, next
		case out == "no":
			return !may, s
		case may:
			return true, next
		}
		return true, s
	},
	Equal:             func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
}

// impatient is a client whose time-outs are short, so that it repeats what a stall
// swallowed: then scripts really run twice.
func impatient(url string) func(*Options) {
	return func(o *Options) {
		_ = o.Redis.Close()
		dialled, err := Dial(url)
		if err != nil {
			panic(err)
		}
		c := dialled.(*redis.Client).Options()
		_ = dialled.Close()
		c.ReadTimeout, c.WriteTimeout, c.MaxRetries = 200*time.Millisecond, 200*time.Millisecond, 10
		o.Redis = redis.NewClient(c)
	}
}

// stalls stops Redis again and again for up to most, until the test is over.
func stalls(t testing.TB, server *testenv.RedisServer, every, most time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for store.Sleep(ctx, store.Jitter(every)) {
			server.Pause()
			time.Sleep(time.Duration(rand.Int64N(int64(most))))
			server.Resume()
		}
	})
	return func() { cancel(); wg.Wait() }
}

// Grabs, moves and ends of several agents through two nodes, while Redis stalls and
// their clients repeat what they got no answer to: as if done one after the other.
func TestOwnershipIsLinearizableThroughStalls(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	nodes := []*Broker{startNode(t, server.URL(), noArchive, impatient(server.URL())), startNode(t, server.URL(), noArchive, impatient(server.URL()))}
	q := name("q")
	var agents []chat.Actor
	for range 4 {
		id := chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1000}
		require.NoError(t, nodes[0].people.Introduce(t.Context(), id))
		agents = append(agents, chat.Actor{Identity: id})
	}
	const sessions = 6
	var opened []chat.Session
	for range sessions {
		s, err := nodes[0].Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		opened = append(opened, s)
	}
	stop := stalls(t, server, 500*time.Millisecond, 900*time.Millisecond)
	began, until := time.Now(), time.Now().Add(8*time.Second)
	var mu sync.Mutex
	histories := make([][]porcupine.Operation, sessions)
	var wg sync.WaitGroup
	for client, a := range append(agents, agents...) {
		wg.Go(func() {
			b := nodes[client%2]
			for time.Now().Before(until) {
				i := rand.IntN(sessions)
				in := act{what: []string{"grab", "grab", "put back"}[rand.IntN(3)], by: a.ID}
				if client == 0 && rand.IntN(200) == 0 {
					in.what = "end"
				}
				call := time.Since(began).Nanoseconds()
				out := perform(t.Context(), b, a, opened[i], in)
				op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: time.Since(began).Nanoseconds()}
				if out == "?" {
					op.Return = time.Hour.Nanoseconds()
				}
				mu.Lock()
				histories[i] = append(histories[i], op)
				mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	stop()
	for i, h := range histories {
		require.Greater(t, len(h), 20)
		require.NotEqual(t, porcupine.Illegal, porcupine.CheckOperationsTimeout(one, h, 30*time.Second), "session %d", i)
	}
	clean(t, nodes[0])
}

func perform(ctx context.Context, b *Broker, a chat.Actor, s chat.Session, in act) string {
	var err error
	switch in.what {
	case "grab":
		_, err = b.Grab(ctx, a, s.ID)
	case "put back":
		_, err = b.Transfer(ctx, a, chat.TransferRequest{Session: s.ID, Queue: s.Queue})
	case "end":
		_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
	}
	switch {
	case err == nil:
		return "ok"
	case chat.AsError(err).Retry():
		return "?"
	}
	return "no"
}

// The model, while Redis stalls and commands are repeated.
func TestASessionAgainstItsModelThroughStalls(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	nodes := []*Broker{startNode(t, server.URL(), impatient(server.URL())), startNode(t, server.URL(), impatient(server.URL()))}
	stop := stalls(t, server, 300*time.Millisecond, 500*time.Millisecond)
	defer stop()
	ends := time.Now().Add(20 * time.Second)
	rapid.Check(t, func(rt *rapid.T) {
		if time.Now().Before(ends) {
			compare(t.Context(), rt, nodes)
		}
	})
	stop()
	clean(t, nodes[0])
}
