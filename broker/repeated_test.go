package broker

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A call that the client library repeats because its answer was lost may come late, when others have
// undone what it did: then it is not carried out again.
func TestALateRepetition(t *testing.T) {
	t.Parallel()
	b, s := sabotaged(t, testenv.Redis(t).URL())
	const q = "sales"
	var uma *party
	ann, ben := agent(t, b, "ann", q), agent(t, b, "ben", q)
	sue := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: "sue", Queues: []string{q}}, "")
	ctx := t.Context()
	var id string
	of := func(do func() (chat.Session, error)) func() {
		return func() {
			t.Helper()
			_, err := do()
			require.NoError(t, err)
		}
	}
	grab := of(func() (chat.Session, error) { return b.Grab(ctx, ann.Actor, id) })
	putBack := of(func() (chat.Session, error) {
		return b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: id, Queue: q})
	})
	offer := of(func() (chat.Session, error) {
		return b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: id, Agent: "ben"})
	})
	accept := of(func() (chat.Session, error) { return b.Accept(ctx, ben.Actor, id) })
	handBack := of(func() (chat.Session, error) {
		return b.Transfer(ctx, ben.Actor, chat.TransferRequest{Session: id, Queue: q})
	})
	cancel := of(func() (chat.Session, error) { return b.Cancel(ctx, ann.Actor, id) })
	join := of(func() (chat.Session, error) { return b.Join(ctx, ben.Actor, id, false) })
	leave := of(func() (chat.Session, error) { return b.Leave(ctx, ben.Actor, id) })
	end := of(func() (chat.Session, error) { return b.End(ctx, uma.Actor, chat.EndRequest{Session: id}) })
	reopen := of(func() (chat.Session, error) { return b.Reopen(ctx, uma.Actor, id) })
	decline := of(func() (chat.Session, error) { return b.Decline(ctx, ben.Actor, id, "busy") })
	nothing := func() {}

	for i, c := range []struct {
		name           string
		before, do, by func()
	}{
		{"open", end, of(func() (chat.Session, error) {
			s, err := b.Open(ctx, uma.Actor, chat.OpenRequest{Queue: q})
			id = s.ID
			return s, err
		}), end},
		{"reopen", end, reopen, end},
		{"end by the user", nothing, end, reopen},
		{"claim", nothing, grab, putBack},
		{"requeue", grab, putBack, grab},
		{"takeover", nothing, of(func() (chat.Session, error) { return b.TakeOver(ctx, sue.Actor, id) }),
			of(func() (chat.Session, error) {
				return b.Transfer(ctx, sue.Actor, chat.TransferRequest{Session: id, Queue: q})
			})},
		{"offer", grab, offer, cancel},
		{"cancel", func() { grab(); offer() }, cancel, offer},
		{"decline", func() { grab(); offer() }, decline, offer},
		{"accept", func() { grab(); offer() }, accept, func() { handBack(); grab(); offer() }},
		{"join", grab, join, leave},
		{"leave", func() { grab(); join() }, leave, join},
		{"end by the owner", grab, of(func() (chat.Session, error) { return b.End(ctx, ann.Actor, chat.EndRequest{Session: id}) }), func() { uma.send(id, "wait") }},
		{"label", grab, of(func() (chat.Session, error) {
			return b.Label(ctx, ann.Actor, LabelRequest{Session: id, Add: []string{"x"}})
		}),
			of(func() (chat.Session, error) {
				return b.Label(ctx, ann.Actor, LabelRequest{Session: id, Remove: []string{"x"}})
			})},
	} {
		t.Run(c.name, func(t *testing.T) {
			uma = user(t, b, fmt.Sprint("uma", i)) // whom no agent has served: nobody is offered anything by itself
			id = uma.open(q).ID
			c.before()
			transitions := recorded(s, c.do)
			require.NotEmpty(t, transitions)
			c.by()
			was := shape(t, b, id)
			for _, cmd := range transitions {
				require.NoError(t, admin(t, b).Do(ctx, cmd...).Err())
			}
			require.Equal(t, was, shape(t, b, id))
			if st, err := b.sessions.Look(ctx, id); err == nil && st.State != chat.Ended {
				end()
			}
		})
	}
}

// recorded are the calls of transitions that something makes.
func recorded(s *spoiler, do func()) [][]any {
	var mu sync.Mutex
	var list [][]any
	s.spoil(nil, func(cmd redis.Cmder) error {
		mu.Lock()
		defer mu.Unlock()
		args := cmd.Args()
		if slices.ContainsFunc(args, func(a any) bool { return strings.Contains(fmt.Sprintf("%s", a), `"op":"`) }) {
			list = append(list, slices.Clone(args))
		}
		return nil
	})
	do()
	s.spoil(nil, nil)
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(list)
}

// shape is what Redis has of a session: its fields and its log.
func shape(t *testing.T, b *Broker, id string) string {
	t.Helper()
	p, _ := b.store.Of(id)
	fields, err := admin(t, b).HGetAll(t.Context(), p.Session(id)).Result()
	require.NoError(t, err)
	delete(fields, "hooked")
	log, err := admin(t, b).XRange(t.Context(), p.Log(id), "-", "+").Result()
	require.NoError(t, err)
	return fmt.Sprint(fields, len(log))
}
