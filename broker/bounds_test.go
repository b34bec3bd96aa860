package broker

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/internal/testenv"
)

// few bounds what one user may have open at five, as without a setting.
func few(o *Options) { o.OpenSessions = 0 }

// A user has five sessions open at most, from however many devices and nodes it
// opens them at once; what ends makes room. Host applications have no bound.
func TestAUserHasFiveSessionsOpenAtMost(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url, few), startNode(t, url, few)}
		ctx := t.Context()
		uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}
		var opened atomic.Int64
		var mu sync.Mutex
		var first chat.Session
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				s, err := nodes[i%2].Open(ctx, uma, chat.OpenRequest{Queue: name("q")})
				if err == nil {
					opened.Add(1)
					mu.Lock()
					first = s
					mu.Unlock()
					return
				}
				e := chat.AsError(err)
				if e.Code != chat.CodeFull || e.Load != 5 || e.Capacity != 5 || !e.Retry() {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 5, opened.Load())
		again, err := nodes[0].Open(ctx, uma, chat.OpenRequest{Queue: first.Queue})
		require.NoError(t, err, "one's own is given back")
		require.Equal(t, first.ID, again.ID)
		_, err = nodes[1].Open(ctx, host, chat.OpenRequest{User: uma.Person(), Queue: name("q")})
		require.NoError(t, err)
		for range 2 {
			_, err = nodes[0].End(ctx, uma, chat.EndRequest{Session: first.ID})
			require.NoError(t, err)
		}
		_, err = nodes[0].Reopen(ctx, uma, first.ID)
		code(t, chat.CodeFull, err)
		open, err := nodes[0].store.Redis.HVals(ctx, nodes[0].store.Home(uma.ID).Open(uma.ID)).Result()
		require.NoError(t, err)
		require.Len(t, open, 5)
		_, err = nodes[0].End(ctx, uma, chat.EndRequest{Session: strings.Split(open[0], ",")[0]})
		require.NoError(t, err)
		_, err = nodes[1].Reopen(ctx, uma, first.ID)
		require.NoError(t, err)
		clean(t, nodes[0])
	})
}

// Users make up queues, but not without end. What an administrator has set, an agent
// names, or a host application opens, is no such queue, and room comes back where nobody waits.
func TestMadeUpQueuesAreBounded(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url, few), startNode(t, url, few)
	ctx := t.Context()
	home := a.store.Home(name("uma"))
	person := func() chat.Actor {
		for {
			if id := name("uma"); a.store.Home(id) == home {
				return chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: id}}
			}
		}
	}
	var opened []chat.Session
	var owners []chat.Actor
	var err error
	for range 500 {
		p := person()
		var s chat.Session
		if s, err = b.Open(ctx, p, chat.OpenRequest{Queue: name("made-up")}); err != nil {
			break
		}
		opened, owners = append(opened, s), append(owners, p)
	}
	code(t, chat.CodeFull, err)
	require.Equal(t, people.MaxStrange, chat.AsError(err).Capacity)
	require.LessOrEqual(t, len(opened), people.MaxStrange)
	_, err = b.Open(ctx, person(), chat.OpenRequest{Queue: opened[0].Queue})
	require.NoError(t, err, "there is such a queue already")
	_, err = b.Open(ctx, person(), chat.OpenRequest{})
	require.NoError(t, err, "the default one")
	_, err = b.Open(ctx, host, chat.OpenRequest{User: person().Person(), Queue: name("q")})
	require.NoError(t, err)
	set, served := name("set"), name("served")
	a.set(t, set, func(*chat.QueueSettings) {})
	_, err = b.Open(ctx, person(), chat.OpenRequest{Queue: set})
	require.NoError(t, err)
	agent(t, a, name("ann"), served)
	_, err = b.Open(ctx, person(), chat.OpenRequest{Queue: served})
	require.NoError(t, err, "an agent has just come who names it")
	_, err = b.End(ctx, owners[1], chat.EndRequest{Session: opened[1].ID})
	require.NoError(t, err)
	_, err = b.Open(ctx, person(), chat.OpenRequest{Queue: name("made-up")})
	require.NoError(t, err, "nobody waits in that one any more")
	_, err = b.Reopen(ctx, owners[1], opened[1].ID)
	code(t, chat.CodeFull, err)
	for i, s := range opened {
		_, err := a.End(ctx, owners[i], chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
	}
	require.NoError(t, a.people.Tidy(ctx, home))
}

// The counts of which queue how many agents name, and the lists of who they are, are what the agents name, whatever
// gives them their queues, in whatever order, and after a restore.
func TestNamedQueuesAreCounted(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		ctx := t.Context()
		ids, queues := make([]string, 6), make([]string, 4)
		for i := range ids {
			ids[i] = name("ann")
		}
		for i := range queues {
			queues[i] = name("q")
		}
		some := func() []string {
			out := []string{}
			for _, q := range queues {
				for rand.IntN(3) == 0 { // twice, at times
					out = append(out, q)
				}
			}
			return out
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for range 30 {
					b, id := nodes[w%2], chat.Identity{Role: chat.RoleAgent, ID: ids[rand.IntN(len(ids))], Queues: some(), Issued: time.Now()}
					var err error
					switch rand.IntN(4) {
					case 0:
						_, err = b.PutAgent(ctx, host, id.ID, chat.AgentSettings{Queues: id.Queues, Capacity: rand.IntN(3)})
					case 1:
						_, _, err = b.IssueToken(ctx, id, time.Minute)
					case 2:
						var c *Conn
						id.Capacity = 1
						if c, err = b.Connect(ctx, id, "", &wire{more: make(chan struct{})}); err == nil {
							c.Close(ctx)
						}
					default:
						err = b.people.Recount(ctx)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		check := func() {
			t.Helper()
			want, got := map[string]int{}, map[string]int{}
			members, listed := []string{}, []string{}
			for _, id := range ids {
				info, err := nodes[0].Agent(ctx, host, id)
				require.NoError(t, err)
				for _, q := range info.Queues {
					want[q]++
				}
				slices.Sort(info.Queues)
				for _, q := range slices.Compact(info.Queues) {
					members = append(members, q+chat.SepField+id)
				}
			}
			for _, p := range nodes[0].store.Parts {
				counts, err := nodes[0].store.Redis.HGetAll(ctx, p.Named()).Result()
				require.NoError(t, err)
				for _, q := range queues {
					n, _ := strconv.Atoi(counts[q])
					got[q] += n
				}
				all, err := nodes[0].store.Redis.ZRange(ctx, p.Crews(), 0, -1).Result()
				require.NoError(t, err)
				for _, m := range all {
					if q, _, _ := strings.Cut(m, chat.SepField); chat.Contains(queues, q) {
						listed = append(listed, m)
					}
				}
			}
			require.ElementsMatch(t, members, listed)
			for _, q := range queues {
				require.Equal(t, want[q], got[q])
			}
		}
		check()
		for _, p := range nodes[0].store.Parts { // as a version before left it
			require.NoError(t, nodes[0].store.Redis.Del(ctx, p.Named(), p.Crews(), p.Presences()).Err())
		}
		startNode(t, url)
		check()
	})
}

// Who lists the queues costs Redis the same however many agents there are.
func TestListingQueuesDoesNotAskAllAgents(t *testing.T) {
	server := testenv.Redis(t)
	b := startNode(t, server.URL(), func(o *Options) { o.NoArchiver = true })
	ctx := t.Context()
	queues := []string{name("q"), name("q")}
	for i := range 1000 {
		require.NoError(t, b.people.Introduce(ctx, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: queues[i%2 : i%2+1], Capacity: 1}))
	}
	list, err := b.QueueList(ctx, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}})
	require.NoError(t, err)
	require.Len(t, list, 3, "theirs and the default one")
	require.NoError(t, server.Client().ConfigResetStat(ctx).Err())
	for range 50 {
		_, err := b.QueueList(ctx, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}})
		require.NoError(t, err)
	}
	calls := testenv.Commands(t, server.Client())
	for _, command := range []string{"hgetall", "hkeys", "hlen", "smembers"} {
		require.LessOrEqual(t, calls[command], 50*len(b.store.Parts)+20, command)
	}
}
