package broker

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// commandsSince counts what Redis has carried out since the last call, in scripts, too.
func commandsSince(t testing.TB, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	out := testenv.Commands(t, rdb)
	require.NoError(t, rdb.ConfigResetStat(t.Context()).Err())
	return out
}

// What it costs to assign an order does not grow with the agents of its queue, nor does what is done each second and each half minute
// while nothing comes, which grows with queues neither.
func TestAssigningDoesNotAskAllAgents(t *testing.T) {
	server := testenv.Redis(t)
	b := startNode(t, server.URL(), func(o *Options) { o.NoArchiver = true })
	rdb := server.Client()
	q := []string{name("q")}
	b.set(t, q[0], auto)
	have := 0
	staff := func(n int) {
		staffed(t, b, n-have, 100, q[0])
		have = n
		looked(t, b, q[0])
	}
	orders := func() map[string]int {
		commandsSince(t, rdb)
		for range 40 {
			s := openFor(t, b, q[0], name("uma"))
			eventually(t, func() bool { return b.owner(t, s.ID) != "" })
		}
		return commandsSince(t, rdb)
	}
	staff(50)
	few := orders()
	staff(2000)
	many := orders()
	require.Greater(t, few["hlen"], 40)
	for _, c := range []string{"hlen", "hmget", "hgetall"} { // of these few are done while nothing comes
		require.Less(t, many[c], few[c]+1000, c)
	}
	require.Zero(t, many["smembers"]+many["zrevrangebylex"])

	for range 20 {
		q = append(q, name("q"))
		b.set(t, q[len(q)-1], auto)
	}
	for _, queue := range q {
		looked(t, b, queue)
	}
	commandsSince(t, rdb)
	b.hall.Resync() // as each half minute
	began := time.Now()
	for range 3 {
		looked(t, b, q[0])
	}
	rounds := int(time.Since(began)/(750*time.Millisecond)) + 2
	idle := commandsSince(t, rdb)
	require.Less(t, idle["hlen"]+idle["hmget"]+idle["smembers"]+idle["zrevrangebylex"], 500, "nobody reads 2,000 agents")
	require.Zero(t, idle["zcard"])
	require.LessOrEqual(t, idle["exists"], rounds*len(b.store.Parts), "one question a partition for all queues")
}

// deafen has Redis lose a node's subscription to a queue in one partition.
func deafen(t testing.TB, b *Broker, agent, queue string) {
	t.Helper()
	p := b.store.Home(agent)
	require.NoError(t, b.hub.Subscriber(p).Silence(t.Context(), p.Waiting(queue)))
}

// What channels lose of agents is found within twelve seconds, whoever lost it.
func TestALostPresenceIsFound(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		b.set(t, q, auto)
		ann := staffed(t, b, 1, 5, q)[0]
		_, err := b.people.SetStatus(ctx, ann, chat.Away)
		require.NoError(t, err)
		looked(t, b, q)
		deafen(t, b, ann, q)
		_, err = b.people.SetStatus(ctx, ann, chat.Online)
		require.NoError(t, err)
		began := time.Now()
		s := openFor(t, b, q, name("uma"))
		require.Eventually(t, func() bool { return b.owner(t, s.ID) == ann }, 20*time.Second, 50*time.Millisecond)
		require.Less(t, time.Since(began), 16*time.Second)
		clean(t, b)
	})
}

// A partition that falls back has its agents read again by who assigns.
func TestAgentsOfAPartitionThatFellBack(t *testing.T) {
	t.Parallel()
	b := startNode(t, testenv.Redis(t).URL())
	ctx, q := t.Context(), name("q")
	b.set(t, q, auto)
	ann := staffed(t, b, 1, 5, q)[0]
	for range 3 {
		_, err := b.people.SetStatus(ctx, ann, chat.Online)
		require.NoError(t, err)
	}
	looked(t, b, q)
	p := b.store.Home(ann)
	before := imageOf(t, b, p)
	for range 2 {
		_, err := b.people.SetStatus(ctx, ann, chat.Away)
		require.NoError(t, err)
	}
	_, err := b.PutAgent(ctx, host, ann, chat.AgentSettings{Queues: []string{name("q")}, Capacity: 5})
	require.NoError(t, err)
	s := openFor(t, b, q, userOf(b, p.Index+1))
	looked(t, b, q)
	require.Empty(t, b.owner(t, s.ID))
	before.restore(t, b, p)
	require.Eventually(t, func() bool { return b.owner(t, s.ID) == ann }, 20*time.Second, 50*time.Millisecond)
	clean(t, b)
}

// userOf is a name of a user of a partition.
func userOf(b *Broker, part int) string {
	for {
		if id := name("uma"); b.store.Home(id).Index == part%len(b.store.Parts) {
			return id
		}
	}
}

// While a node of a version before assigns in a queue, nobody else does; when it has gone, agents are found whose queues it changed without
// writing it where this version looks.
func TestBesideANodeOfAVersionBefore(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		key := b.store.Home(q).Dispatch(q)
		hold := func(ms int64) {
			_, err := b.store.Run(ctx, "hold", []string{key}, "older", ms)
			require.NoError(t, err)
		}
		hold(60000)
		b.set(t, q, auto)
		ann, bea := name("ann"), name("bea")
		staffed(t, b, 1, 5, name("q"))
		s := openFor(t, b, q, name("uma"))
		for _, id := range []string{ann, bea} { // as agent.lua and status.lua did; nobody was told
			p := b.store.Home(id)
			require.NoError(t, b.store.Redis.HSet(ctx, p.Profile("a:"+id), "info", chat.Encode(chat.Person{ID: id}), "queues", chat.Encode([]string{q}),
				"capacity", 1, "status", "online", "set", 1).Err())
			require.NoError(t, b.store.Redis.SAdd(ctx, p.Agents(), id).Err())
			require.NoError(t, b.store.Redis.HIncrBy(ctx, p.Named(), q, 1).Err())
		}
		for range 3 {
			looked(t, b, q)
			hold(60000)
		}
		require.Empty(t, b.owner(t, s.ID))
		hold(0)
		eventually(t, func() bool { return b.owner(t, s.ID) != "" })
		other := openFor(t, b, q, name("uma"))
		eventually(t, func() bool { return b.owner(t, other.ID) != "" })
		require.ElementsMatch(t, []string{ann, bea}, []string{b.owner(t, s.ID), b.owner(t, other.ID)})
		clean(t, b)
	})
}

// Another node assigns within three seconds after one has died, and at once after one has been closed.
func TestAnotherNodeAssigns(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	nodes := []*Broker{startNode(t, url), startNode(t, url), startNode(t, url)}
	q := name("q")
	nodes[0].set(t, q, auto)
	staffed(t, nodes[0], 3, 50, q)
	for _, how := range []string{"dies", "is closed"} {
		looked(t, nodes[0], q)
		who, _ := nodes[0].assigns(t, q)
		i := slices.IndexFunc(nodes, func(b *Broker) bool { return b.store.Node == who })
		require.GreaterOrEqual(t, i, 0)
		began := time.Now()
		if how == "dies" {
			nodes[i].store.Stop()
		} else {
			require.NoError(t, nodes[i].Close(t.Context()))
		}
		nodes = slices.Delete(nodes, i, i+1)
		s := openFor(t, nodes[0], q, name("uma"))
		eventually(t, func() bool { return nodes[0].owner(t, s.ID) != "" })
		t.Log(how, time.Since(began))
		require.Less(t, time.Since(began), 4*time.Second) // three, and what a busy machine needs
	}
	clean(t, nodes[0])
}
