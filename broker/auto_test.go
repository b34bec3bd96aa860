package broker

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

func auto(s *chat.QueueSettings) { s.Routing = "auto" }

// staffed makes agents who are online without a connection.
func staffed(t testing.TB, b *Broker, n, capacity int, queues ...string) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = name(fmt.Sprintf("ann%03d", i))
		require.NoError(t, b.people.Introduce(t.Context(), chat.Identity{Role: chat.RoleAgent, ID: ids[i], Queues: queues, Capacity: capacity}))
		_, err := b.people.SetStatus(t.Context(), ids[i], chat.Online)
		require.NoError(t, err)
	}
	return ids
}

func (b *Broker) owner(t testing.TB, session string) string {
	t.Helper()
	st, err := b.sessions.Look(t.Context(), session)
	require.NoError(t, err)
	if st.Agent == nil {
		return ""
	}
	return st.Agent.ID
}

func openFor(t testing.TB, b *Broker, queue, user string) chat.Session {
	t.Helper()
	s, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: user}, Queue: queue})
	require.NoError(t, err)
	return s
}

// looked waits until whoever assigns in a queue has looked for what waits there, and given away
// what it could: it looks once a second, and as often asks for its groups of queues.
func looked(t testing.TB, b *Broker, queue string) {
	t.Helper()
	var ends time.Time
	for renewed := -1; renewed < 2; renewed++ {
		eventually(t, func() bool {
			_, until := b.assigns(t, queue)
			if !until.After(ends) {
				return false
			}
			ends = until
			return true
		})
	}
}

// assigns is the node that assigns in a queue, and until when it does, at least; zero where there is none.
func (b *Broker) assigns(t testing.TB, queue string) (node string, until time.Time) {
	t.Helper()
	held, err := b.store.Redis.HGetAll(t.Context(), b.store.Parts[0].Dispatchers()).Result()
	require.NoError(t, err)
	node = held[strconv.Itoa(routing.GroupOf(queue))]
	ms, err := strconv.ParseInt(held["node|"+node], 10, 64)
	if err != nil {
		return "", time.Time{}
	}
	return node, time.UnixMilli(ms)
}

// Assignment piles chats on one agent (Chatwoot #11034, #1198): the least load
// has the next, then the longest idle, and nobody more than its capacity.
func TestLeastLoadThenLongestIdle(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		a.set(t, q, auto)
		agents := staffed(t, a, 3, 2, q)
		away := staffed(t, a, 1, 9, q)[0]
		_, err := b.people.SetStatus(ctx, away, chat.Away)
		require.NoError(t, err)
		staffed(t, a, 1, 9, name("q")) // of another queue

		var got, sessions []string
		for i := range 6 {
			s := openFor(t, []*Broker{a, b}[i%2], q, name("uma"))
			eventually(t, func() bool { return a.owner(t, s.ID) != "" })
			got, sessions = append(got, a.owner(t, s.ID)), append(sessions, s.ID)
		}
		require.ElementsMatch(t, agents, got[:3], "one each before anybody has two")
		require.Equal(t, got[:3], got[3:], "then to whom the last came first")
		full := openFor(t, a, q, name("uma"))
		looked(t, a, q)
		require.Empty(t, a.owner(t, full.ID), "all are full, and one is away")

		t.Log("who gets room has the next; who comes has what waited")
		_, err = b.End(ctx, host, chat.EndRequest{Session: sessions[1]})
		require.NoError(t, err)
		eventually(t, func() bool { return a.owner(t, full.ID) == got[1] })
		next := openFor(t, b, q, name("uma"))
		_, err = a.people.SetStatus(ctx, away, chat.Online)
		require.NoError(t, err)
		eventually(t, func() bool { return a.owner(t, next.ID) == away })
		clean(t, a)

		t.Log("a capacity lowered below the load takes nothing away and gives nothing")
		_, err = b.PutAgent(ctx, host, got[0], chat.AgentSettings{Queues: []string{q}, Capacity: 1})
		require.NoError(t, err)
		_, err = b.PutAgent(ctx, host, away, chat.AgentSettings{Queues: []string{q}, Capacity: 1})
		require.NoError(t, err)
		_, err = b.End(ctx, host, chat.EndRequest{Session: sessions[0]})
		require.NoError(t, err)
		waits := openFor(t, b, q, name("uma"))
		looked(t, a, q)
		require.Empty(t, a.owner(t, waits.ID))
		require.Equal(t, got[0], a.owner(t, sessions[3]))
		_, err = b.PutAgent(ctx, host, got[0], chat.AgentSettings{Queues: []string{q}, Capacity: 5})
		require.NoError(t, err)
		eventually(t, func() bool { return a.owner(t, waits.ID) == got[0] })
		clean(t, a)
	})
}

// A burst is assigned evenly, through two nodes, of which one dies in the middle.
func TestABurstIsAssigned(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		a.set(t, q, auto)
		agents, each := 20, 10
		if strings.Contains(t.Name(), string(testenv.EngineEmbedded)) {
			agents, each = 5, 4 // Lua is slow there, with the race detector
		}
		ids := staffed(t, b, agents, each, q)
		var wg sync.WaitGroup
		for i := range agents * each {
			wg.Go(func() {
				_, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
				if err != nil {
					t.Error(err)
				}
				if i == agents*each/2 {
					a.store.Stop()
				}
			})
		}
		wg.Wait()
		eventually(t, func() bool { n, err := b.waiting.Count(ctx, q); return err == nil && n == 0 })
		for _, id := range ids {
			require.EqualValues(t, each, b.store.Redis.HLen(ctx, b.store.Home(id).Load(id)).Val())
		}
		clean(t, b)
	})
}

// What waits while nobody is online is assigned when somebody comes, also by a
// node that never heard of it; a low priority is not starved.
func TestWhatWaitsIsAssignedWhenSomebodyComes(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a := startNode(t, url)
	ctx, q := t.Context(), name("q")
	a.set(t, q, auto)
	low := openFor(t, a, q, name("uma"))
	high, err := a.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q, Priority: 5})
	require.NoError(t, err)
	line, err := a.waiting.First(ctx, q, 9)
	require.NoError(t, err)
	require.Equal(t, []string{high.ID, low.ID}, line)
	p, _ := a.store.Of(low.ID)
	// As if it had waited for an hour: five levels are fifty minutes.
	require.NoError(t, a.store.Redis.ZIncrBy(ctx, p.Waiting(q), -3600e3, low.ID).Err())
	require.NoError(t, a.Close(ctx))
	b := startNode(t, url)
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1}, "")
	e := ann.await("session", inStateOf(chat.Serving))["session"].(map[string]any)
	require.Equal(t, low.ID, e["id"])
	_, err = b.End(ctx, ann.Actor, chat.EndRequest{Session: low.ID, Force: true})
	require.NoError(t, err)
	eventually(t, func() bool { return b.owner(t, high.ID) == ann.ID })
	clean(t, b)
}

// A user's next session is offered to its last agent while it waits for all; a
// guest is not bound to an agent who left (Rocket.Chat #20965).
func TestSticky(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.OfferTimeout = 2 })
		}
		ann := connect(t, a, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1}, "")
		bea, uma := agent(t, b, name("bea"), q), user(t, b, name("uma"))
		served := func(p *party) {
			s := uma.open(q)
			p.grab(s.ID)
			_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
			require.NoError(t, err)
			clean(t, a) // the place that an offer of it held is free again
		}
		served(ann)
		offered := func(s chat.Session) func(event) bool {
			return func(e event) bool { return e["session"].(map[string]any)["id"] == s.ID }
		}
		over := func(p *party, s chat.Session) string {
			return p.await("offer-ended", inSession(s.ID))["outcome"].(string)
		}

		t.Log("accepted")
		s := uma.open(q)
		require.Equal(t, chat.Waiting, s.State)
		o := ann.await("offer", offered(s))
		require.Equal(t, "waiting", o["session"].(map[string]any)["state"])
		_, err := a.Accept(ctx, bea.Actor, s.ID)
		code(t, chat.CodeForbidden, err)
		got, err := a.Accept(ctx, ann.Actor, s.ID)
		require.NoError(t, err)
		require.Equal(t, []any{chat.Serving, ann.ID}, []any{got.State, got.Agent.ID})
		require.Equal(t, "accepted", over(ann, s))
		other := user(t, a, name("ben")).open(q)
		_, err = a.Grab(ctx, ann.Actor, other.ID)
		code(t, chat.CodeFull, err)
		clean(t, a)

		t.Log("full: nobody waits for it")
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		ann.grab(other.ID)
		s = uma.open(q)
		bea.grab(s.ID)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		_, err = b.End(ctx, host, chat.EndRequest{Session: other.ID})
		require.NoError(t, err)

		t.Log("grabbed by another; its place comes back")
		served(ann)
		s = uma.open(q)
		ann.await("offer", offered(s))
		bea.grab(s.ID)
		require.Equal(t, "cancelled", over(ann, s))
		clean(t, a)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)

		t.Log("grabbed by itself")
		served(ann)
		s = uma.open(q)
		ann.await("offer", offered(s))
		ann.grab(s.ID)
		require.Equal(t, "accepted", over(ann, s))
		clean(t, a)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)

		t.Log("declined: it waits on, and is not offered again")
		s = uma.open(q)
		ann.await("offer", offered(s))
		_, err = a.Decline(ctx, ann.Actor, s.ID, "")
		require.NoError(t, err)
		require.NoError(t, b.route(ctx, s.ID))
		st, err := b.sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		require.Equal(t, chat.Waiting, st.State)
		require.Nil(t, st.Target)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)

		t.Log("unanswered")
		served(ann)
		s = uma.open(q)
		ann.await("offer", offered(s))
		require.Equal(t, "expired", over(ann, s))
		clean(t, a)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)

		t.Log("away")
		served(ann)
		_, err = a.SetStatus(ctx, ann.Actor, chat.Away)
		require.NoError(t, err)
		s = uma.open(q)
		bea.grab(s.ID)
		clean(t, a)
	})
}

// With auto the last agent has it, unless it is not there; a session that was
// opened by a node that died is routed all the same; a bot comes first.
func TestStickyAutoAndBots(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	ctx, q, uma := t.Context(), name("q"), name("uma")
	bot := connect(t, b, chat.Identity{Role: chat.RoleBot, ID: name("bot"), Queues: []string{name("q")}, Capacity: 2}, "")
	for _, n := range []*Broker{a, b} {
		n.set(t, q, auto)
	}
	agents := staffed(t, a, 4, 5, q)
	s := openFor(t, a, q, uma)
	eventually(t, func() bool { return a.owner(t, s.ID) != "" })
	last := a.owner(t, s.ID)
	for range 3 {
		_, err := a.End(ctx, host, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		s = openFor(t, b, q, uma)
		eventually(t, func() bool { return a.owner(t, s.ID) != "" })
		require.Equal(t, last, a.owner(t, s.ID), "others are idle longer")
	}
	_, err := a.End(ctx, host, chat.EndRequest{Session: s.ID})
	require.NoError(t, err)
	_, err = b.people.SetStatus(ctx, last, chat.Offline)
	require.NoError(t, err)
	s = openFor(t, a, q, uma)
	eventually(t, func() bool { return a.owner(t, s.ID) != "" })
	require.NotEqual(t, last, a.owner(t, s.ID))

	for _, routing := range []string{"auto", "grab"} {
		t.Log("a bot comes first, and hands over: " + routing)
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.Routing, s.Bot = routing, bot.ID })
		}
		s = openFor(t, a, q, name("ben"))
		eventually(t, func() bool { return a.owner(t, s.ID) == bot.ID })
		_, err = b.Transfer(ctx, bot.Actor, chat.TransferRequest{Session: s.ID, Queue: q})
		require.NoError(t, err)
		if routing == "auto" {
			eventually(t, func() bool { return chat.Contains(agents, a.owner(t, s.ID)) })
		} else {
			later := openFor(t, a, q, name("joe"))
			eventually(t, func() bool { return a.owner(t, later.ID) == bot.ID })
			require.Empty(t, a.owner(t, s.ID), "the bot does not get it again")
			_, err = a.End(ctx, host, chat.EndRequest{Session: later.ID})
			require.NoError(t, err)
			eventually(t, func() bool { return a.store.Redis.HLen(ctx, a.store.Home(bot.ID).Load(bot.ID)).Val() == 0 })
		}
		_, err = a.End(ctx, host, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		for range 2 { // its capacity
			openFor(t, a, q, name("joe"))
		}
		eventually(t, func() bool { n, err := a.waiting.Count(ctx, q); return err == nil && n == 0 })
		s = openFor(t, a, q, name("joe"))
		if routing == "auto" {
			eventually(t, func() bool { return chat.Contains(agents, a.owner(t, s.ID)) })
		} else {
			p, _ := a.store.Of(s.ID)
			eventually(t, func() bool { // it has been routed
				return store.IsNil(a.store.Redis.ZScore(ctx, p.Timers(), "route|"+s.ID).Err())
			})
			require.Empty(t, a.owner(t, s.ID), "nobody waits for a bot without room")
		}
		held, err := a.store.Redis.HKeys(ctx, a.store.Home(bot.ID).Load(bot.ID)).Result()
		require.NoError(t, err)
		for _, id := range held {
			_, err = a.End(ctx, host, chat.EndRequest{Session: id})
			require.NoError(t, err)
		}
		clean(t, a)
	}

	t.Log("opened by a node that died before it could route")
	id := openedUnrouted(t, a, q)
	eventually(t, func() bool { return a.owner(t, id) == bot.ID })
	clean(t, a)
}

// openedUnrouted opens a session as a node does that dies before it routes it.
func openedUnrouted(t *testing.T, a *Broker, q string) string {
	t.Helper()
	uma := name("uma")
	p := a.store.Home(uma)
	id := a.store.NewSessionID(uma)
	q2 := a.settings.Queue(q)
	a.mustRun(t, "open", p.Transition(id, p.Waiting(q), p.Open(uma), p.Listed("u:"+uma), p.Sessions(), p.Profile("u:"+uma),
		p.Rate(people.RateOpen, "u:"+uma), p.Strange()),
		struct {
			Op       string `json:"op"`
			Session  string `json:"session"`
			Queue    string `json:"queue"`
			User     string `json:"user"`
			Info     string `json:"info"`
			Subject  string `json:"subject"`
			Meta     string `json:"meta"`
			Priority int    `json:"priority"`
			Interval int64  `json:"interval"`
			routing.Wait
		}{name("op"), id, q, uma, chat.Encode(chat.Person{ID: uma}), "", "{}", 0, 0, routing.Begin(q2, time.Now())})
	return id
}

// Whoever routes for a node that died goes by the settings under which the session began, at once.
func TestRoutingForAnotherKnowsItsSettings(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	q := name("q")
	bot := connect(t, b, chat.Identity{Role: chat.RoleBot, ID: name("bot"), Queues: []string{name("q")}, Capacity: 2}, "")
	b.set(t, q, func(s *chat.QueueSettings) { s.Bot = bot.ID })
	id := openedUnrouted(t, b, q)
	p, _ := a.store.Of(id)
	require.NoError(t, a.fire(t.Context(), p, "route|"+id))
	require.Equal(t, bot.ID, a.owner(t, id))
	clean(t, a)
}

// Who assigns by settings that have changed gives its place up, unless it took over the place of the session's owner.
func TestAPlaceOfWhoThinksAgain(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	ctx, q := t.Context(), name("q")
	ann := staffed(t, b, 1, 1, q)[0]
	load := func() map[string]string {
		return b.store.Redis.HGetAll(ctx, b.store.Home(ann).Load(ann)).Val()
	}
	for what, owned := range map[string]bool{"waiting": false, "owned": true} {
		t.Run(what, func(t *testing.T) {
			s := openFor(t, b, q, name("uma"))
			p, _ := b.store.Of(s.ID)
			j := routing.Assignment{Session: s.ID, Agent: ann, Role: chat.RoleAgent}
			if owned {
				require.NoError(t, b.assign(ctx, j))
				eventually(t, func() bool { return strings.HasSuffix(load()[s.ID], "|held") })
			}
			require.NoError(t, b.store.Redis.Set(ctx, p.Rules(), name("another change"), 0).Err())
			require.ErrorIs(t, b.assign(ctx, j), store.ErrLate)
			if owned {
				require.Contains(t, load(), s.ID)
			} else {
				require.Empty(t, load(), "nobody waits for its timer")
			}
			_, err := b.End(ctx, host, chat.EndRequest{Session: s.ID})
			require.NoError(t, err)
			eventually(t, func() bool { return len(load()) == 0 })
			clean(t, b)
		})
	}
}

// Many queues that begin to assign at once: whoever sets one does not disturb who sets another, nor the node's own look.
func TestManyQueuesBeginToAssign(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			q := chat.DefaultQueue(name("q"))
			q.Routing = "auto"
			_, err := b.PutQueue(t.Context(), host, q)
			return err
		})
	}
	require.NoError(t, g.Wait())
}
