package people

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// Whoever begins to wait is told whether its queue is made up; where there are too many such, those in
// which nobody waits go, and it is asked once more, of what agents name by now.
func TestACrowdOfMadeUpQueuesIsTidied(t *testing.T) {
	set := name("set")
	ps := start(t, testenv.Redis(t).URL(), func(o *Options) {
		o.OpenSessions, o.IsSet = 5, func(queue string) bool { return queue == set }
	})
	ctx, uma, q := t.Context(), chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}, name("q")
	p := ps.store.Home(uma.ID)
	ask := func(a chat.Actor, queue string, answers ...string) (asked []Bounds, last string) {
		t.Helper()
		r, err := ps.Bounded(ctx, a, p, queue, func(b Bounds) (store.Reply, error) {
			asked = append(asked, b)
			return store.Reply{answers[min(len(asked), len(answers))-1]}, nil
		})
		require.NoError(t, err)
		return asked, r.Str(0)
	}
	for queue, strange := range map[string]bool{q: true, set: false, chat.DefaultQueueID: false} {
		asked, last := ask(uma, queue, "ok")
		require.Equal(t, []Bounds{{Most: 5, Strange: strange, StrangeMost: MaxStrange}}, asked, queue)
		require.Equal(t, "ok", last)
	}
	asked, _ := ask(chat.Actor{Host: true}, q, "ok")
	require.Equal(t, []Bounds{{StrangeMost: MaxStrange}}, asked, "a host application means what it names")

	empty := name("empty")
	require.NoError(t, ps.store.Redis.SAdd(ctx, p.Strange(), q, empty).Err())
	require.NoError(t, ps.store.Redis.ZAdd(ctx, p.Waiting(q), redis.Z{Score: 1, Member: "somebody"}).Err())
	asked, last := ask(uma, name("q"), "crowded", "ok")
	require.Len(t, asked, 2)
	require.Equal(t, "ok", last)
	left, err := ps.store.Redis.SMembers(ctx, p.Strange()).Result()
	require.NoError(t, err)
	require.Equal(t, []string{q}, left)
	asked, last = ask(uma, name("q"), "crowded")
	require.Len(t, asked, 2, "not for ever")
	require.Equal(t, "crowded", last)

	require.NoError(t, ps.Introduce(ctx, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1}))
	asked, _ = ask(uma, q, "crowded", "ok")
	require.False(t, asked[1].Strange, "an agent has just come who names it")
}
