package people

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// crewOfAll are a queue's agents in all partitions, and how many presences were told of.
func crewOfAll(t *testing.T, ps *People, queue string) (ids []string, told int64) {
	t.Helper()
	ids = []string{}
	for _, p := range ps.store.Parts {
		n, err := ps.Crew(t.Context(), p, queue, func(a chat.Profile, _ int) { ids = append(ids, a.ID) })
		require.NoError(t, err)
		told += n
	}
	slices.Sort(ids)
	return ids, told
}

// A queue's agents are those who name it, in whatever way they came to, and no queue's whose name begins so, too; all
// that changes who they are, or how, is counted.
func TestTheCrewOfAQueue(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		ps := start(t, url)
		ctx, q, other, ann := t.Context(), name("q")+"!", name("q"), name("ann")
		id := func(capacity int, queues ...string) chat.Identity {
			return chat.Identity{Role: chat.RoleAgent, ID: ann, Queues: queues, Capacity: capacity, Issued: time.Now()}
		}
		last := map[string]int64{}
		is := func(changed bool, queues ...string) {
			t.Helper()
			for _, queue := range []string{q, other, q + "x", q[:len(q)-1]} {
				crew, told := crewOfAll(t, ps, queue)
				want := []string{}
				if chat.Contains(queues, queue) {
					want = append(want, ann)
				}
				require.Equal(t, want, crew, queue)
				if changed && len(want) > 0 {
					require.Greater(t, told, last[queue])
				}
				last[queue] = told
			}
			for _, check := range ps.CrewChecks(ps.store.Home(ann)) {
				what, err := check.Run(ctx)
				require.NoError(t, err)
				require.NotContains(t, what, ann)
			}
		}
		require.NoError(t, ps.Introduce(ctx, id(1, q)))
		is(false, q)
		_, err := ps.Register(ctx, id(1, q, other), "phone", ps.store.Node+"/1.1", false)
		require.NoError(t, err)
		is(true, q, other)
		_, err = ps.SetStatus(ctx, ann, chat.Away)
		require.NoError(t, err)
		is(true, q, other)
		_, err = ps.Register(ctx, id(1, q, other), "phone", ps.store.Node+"/1.1", true)
		require.NoError(t, err)
		is(false, q, other)
		require.NoError(t, ps.Introduce(ctx, id(1, q+"x"))) // it is connected
		is(false, q, other)
		_, err = ps.SetStatus(ctx, ann, chat.Online)
		require.NoError(t, err)
		require.NoError(t, ps.store.Redis.Del(ctx, ps.store.Home(ann).Conns("a:"+ann)).Err())
		require.NoError(t, ps.Introduce(ctx, id(1, q+"x"))) // it is not, and online in its grace
		is(true, q+"x")
		require.NoError(t, ps.Introduce(ctx, id(2, q+"x")))
		is(true, q+"x")
		_, err = ps.SetAgent(ctx, ann, chat.AgentSettings{Queues: []string{q, q}})
		require.NoError(t, err)
		is(true, q)
		_, err = ps.SetAgent(ctx, ann, chat.AgentSettings{Disabled: true})
		require.NoError(t, err)
		is(true, q)
		_, err = ps.SetAgent(ctx, ann, chat.AgentSettings{Queues: []string{}})
		require.NoError(t, err)
		is(false)

		t.Log("what a node of a version before did, and what was lost, is noticed and made good")
		p := ps.store.Home(ann)
		key := p.Profile("a:" + ann)
		require.NoError(t, ps.store.Redis.HSet(ctx, key, "queues", chat.Encode([]string{q})).Err())
		require.NoError(t, ps.store.Redis.HDel(ctx, key, "disabled").Err())
		require.Contains(t, wrong(t, ps, ann), "is not listed")
		_, err = ps.Register(ctx, id(1, q), "phone", ps.store.Node+"/1.2", false)
		require.NoError(t, err)
		is(true, q)
		require.NoError(t, ps.store.Redis.ZRem(ctx, p.Crews(), q+chat.SepField+ann).Err())
		_, err = ps.Register(ctx, id(1, q), "phone", ps.store.Node+"/1.2", true) // as each node does every three minutes
		require.NoError(t, err)
		is(true, q)
		require.NoError(t, ps.store.Redis.ZRem(ctx, p.Crews(), q+chat.SepField+ann).Err())
		require.NoError(t, ps.store.Redis.ZAdd(ctx, p.Crews(), redis.Z{Member: other + chat.SepField + ann}).Err())
		is2, _ := crewOfAll(t, ps, other)
		require.Empty(t, is2, "its profile says no")
		require.Contains(t, wrong(t, ps, ann), ann)
		require.NoError(t, ps.Recount(ctx))
		is(true, q)
		before := maps.Clone(last)
		require.NoError(t, ps.Recount(ctx))
		is(false, q)
		require.Equal(t, before, last, "nothing was wrong")
	})
}

// wrong is what the audit says of an agent's partition.
func wrong(t *testing.T, ps *People, agent string) string {
	t.Helper()
	what, err := ps.CrewChecks(ps.store.Home(agent))[0].Run(t.Context())
	require.NoError(t, err)
	return what
}

// More agents than are read at a time.
func TestALargeCrew(t *testing.T) {
	ps := start(t, testenv.Redis(t).URL())
	q, want := name("q"), []string{}
	p := ps.store.Parts[3]
	for len(want) < 2*crewSlice+1 {
		id := name("ann")
		if ps.store.Home(id).Index != p.Index {
			continue
		}
		want = append(want, id)
		require.NoError(t, ps.Introduce(t.Context(), chat.Identity{Role: chat.RoleAgent, ID: id, Queues: []string{q}, Capacity: 1}))
	}
	got, _ := crewOfAll(t, ps, q)
	require.ElementsMatch(t, want, got)
	require.Empty(t, wrong(t, ps, want[0]))
}
