package broker

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/live"
	"bellhop/broker/internal/sessions"
	"bellhop/internal/testenv"
)

var theHost = chat.Actor{Host: true}

// opens opens n sessions of as many users in a queue.
func opens(t testing.TB, b *Broker, q string, n int) []chat.Session {
	t.Helper()
	out := make([]chat.Session, n)
	var g errgroup.Group
	g.SetLimit(32)
	for i := range out {
		g.Go(func() (err error) {
			out[i], err = b.Open(t.Context(), theHost, chat.OpenRequest{User: chat.Person{ID: name("u")}, Queue: q})
			return err
		})
	}
	require.NoError(t, g.Wait())
	return out
}

// commands is how many Redis has carried out, those in scripts included.
func commands(t testing.TB, b *Broker) int64 {
	t.Helper()
	var n int64
	for _, calls := range testenv.Commands(t, b.store.Redis) {
		n += int64(calls)
	}
	return n
}

// What a list costs goes by what it returns, not by what there is.
func TestAListCostsWhatItReturns(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL(), func(o *Options) { o.Archive = nil })
	eventually(t, b.sessions.ListsByState) // until then it is as before there was a list by state
	eventually(t, b.sessions.ListsByLabel)
	q := name("q")
	ann := agent(t, b, name("ann"), q)
	first := opens(t, b, q, 1)[0]
	served := ann.grab(first.ID)
	label(t, b, ann.Actor, served.ID, []string{"vip", "seldom"}, nil)
	opens(t, b, name("other"), 5)
	lists := map[string]chat.SessionsRequest{"serving": {States: []chat.State{chat.Serving}, Limit: 1}, "serving there": {States: []chat.State{chat.Serving}, Queue: q, Limit: 1},
		"transferring or ended": {States: []chat.State{chat.Transferring, chat.Ended}, Limit: 1}, "waiting": {States: []chat.State{chat.Waiting}, Limit: 1},
		"a queue": {Queue: q, Limit: 1}, "one that is empty": {Queue: name("none"), Limit: 1}, "all": {Limit: 1}, "since long": {Since: 1, Limit: 1}, "until lately": {Until: time.Now().UnixMilli(), Limit: 1},
		"a label": {Label: "seldom", Limit: 1}, "a label, serving": {Label: "seldom", States: []chat.State{chat.Serving}, Queue: q, Limit: 1}, "a label that many have": {Label: "vip", Limit: 1},
		"a label that nobody has": {Label: "none", Limit: 1}, "a user": {User: first.User.ID, Limit: 1}, "a user's that wait": {User: first.User.ID, States: []chat.State{chat.Waiting}, Limit: 1},
		"an agent": {Agent: ann.ID, Limit: 1}, "an agent's that are served there": {Agent: ann.ID, Queue: q, States: []chat.State{chat.Serving}, Limit: 1}}
	costs := func() map[string]int64 {
		out := map[string]int64{}
		for what, r := range lists {
			var got chat.SessionsReply
			cost := int64(math.MaxInt64)
			for range 5 { // what the node does by itself in the meantime costs something, too
				before := commands(t, b)
				var err error
				got, err = b.sessions.Sessions(t.Context(), theHost, r)
				require.NoError(t, err)
				cost = min(cost, commands(t, b)-before)
			}
			require.Less(t, cost, int64(300), what)
			out[what] = cost
			if chat.Contains(r.States, chat.Serving) || r.Label == "seldom" || r.Agent != "" {
				require.Len(t, got.Sessions, 1, what)
				require.Equal(t, served.ID, got.Sessions[0].ID)
			}
		}
		return out
	}
	opens(t, b, q, 100)
	few := costs()
	for i, s := range opens(t, b, q, 10_000) {
		if i%100 == 0 {
			label(t, b, theHost, s.ID, []string{"vip"}, nil)
		}
	}
	for what, cost := range costs() {
		t.Logf("%s: %d commands, then %d", what, few[what], cost)
		require.LessOrEqual(t, cost, few[what]+30, what)
	}
}

// The list by label says what the sessions say, whoever changed them, left Redis or came back; what a version before left
// out of it, or left in it, is put right once no such node is left.
func TestListsByLabel(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL(), soon, func(o *Options) { o.expire = time.Millisecond })
	eventually(t, b.sessions.ListsByLabel)
	q, labels := name("q"), []string{"a", "ab", "投诉", "waiting", "l:a"}
	all := opens(t, b, q, 40)
	for range 200 {
		s, some := all[rand.IntN(len(all))], rand.Perm(len(labels))
		label(t, b, theHost, s.ID, []string{labels[some[0]]}, []string{labels[some[1]]})
	}
	check := func(b *Broker) {
		t.Helper()
		for _, l := range labels {
			for _, states := range [][]chat.State{nil, {chat.Waiting}, {chat.Serving}} {
				want, got := []string{}, []string{}
				for _, s := range listAll(t, b, chat.SessionsRequest{Queue: q, States: states}) {
					if chat.Contains(s.Labels, l) {
						want = append(want, s.ID)
					}
				}
				for _, s := range listAll(t, b, chat.SessionsRequest{Label: l, States: states, Queue: q, Limit: 3}) {
					got = append(got, s.ID)
				}
				require.Equal(t, want, got, l)
			}
		}
		clean(t, b)
	}
	check(b)
	members := func() (n int64) {
		for _, p := range b.store.Parts {
			n += b.store.Redis.ZCard(t.Context(), p.Labelled()).Val() - 1
		}
		return n
	}
	var gone []string
	for _, s := range all[:10] {
		label(t, b, theHost, s.ID, []string{"a"}, nil)
		_, err := b.End(t.Context(), theHost, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		gone = append(gone, s.ID)
	}
	for _, id := range gone {
		p, _ := b.store.Of(id)
		eventually(t, func() bool { return b.store.Redis.Exists(t.Context(), p.Session(id)).Val() == 0 })
	}
	check(b)
	for _, id := range gone[:5] {
		require.NoError(t, b.revive(t.Context(), id))
	}
	check(b)

	want := members()
	for i, p := range b.store.Parts {
		if i%2 == 0 {
			require.NoError(t, b.store.Redis.Del(t.Context(), p.Labelled()).Err())
		}
		require.NoError(t, b.store.Redis.ZAdd(t.Context(), p.Labelled(), zs(sessions.ByLabel("none")+sessions.FiledAs(all[20].Created.UnixMilli(), all[20].ID)), zs(sessions.ByLabel("ab")+sessions.FiledAs(1, "00-gone"))).Err())
	}
	older := startNode(t, urlOf(t, b), soon)
	require.False(t, older.sessions.ListsByLabel(), "an older node may still change them")
	check(older)
	require.NoError(t, older.sessions.FileAll(t.Context(), true))
	check(b)
	eventually(t, func() bool { return members() <= want }) // those revived leave again
}

// The list by state says what a walk over all sessions says, whatever happened to them.
func TestListsByState(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		q, other := name("q"), name("q")
		ann, bob := agent(t, b, name("ann"), q, other), agent(t, b, name("bob"), q, other)
		sup := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sup")}, "")
		for i, s := range opens(t, b, q, 24) {
			uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: s.User.ID}}
			for _, what := range rand.Perm(8)[:3+i%5] { // some of it is refused: it changes nothing then
				switch what {
				case 0, 1:
					_, _ = b.Grab(t.Context(), ann.Actor, s.ID)
				case 2:
					_, _ = b.Transfer(t.Context(), sup.Actor, chat.TransferRequest{Session: s.ID, Queue: other})
				case 3:
					_, _ = b.Transfer(t.Context(), ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bob.ID})
				case 4:
					_, _ = b.Accept(t.Context(), bob.Actor, s.ID)
				case 5:
					_, _ = b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s.ID})
				case 6:
					_, _ = b.Send(t.Context(), uma, chat.SendRequest{Session: s.ID, Body: []byte(`"no, stay"`)})
				case 7:
					_, _ = b.End(t.Context(), uma, chat.EndRequest{Session: s.ID})
					if i%2 == 0 {
						_, _ = b.Reopen(t.Context(), uma, s.ID)
					}
				}
			}
		}
		all := listAll(t, b, chat.SessionsRequest{Queue: q, Limit: 7})
		all = append(all, listAll(t, b, chat.SessionsRequest{Queue: other, Limit: 7})...)
		require.Len(t, all, 24)
		for _, queue := range []string{q, other} {
			for _, states := range [][]chat.State{{chat.Waiting}, {chat.Serving}, {chat.Transferring}, {chat.Ending}, {chat.Ended}, {chat.Waiting, chat.Ended}, {chat.Serving, chat.Ending, chat.Transferring}} {
				want, got := []string{}, []string{}
				for _, s := range all {
					if s.Queue == queue && chat.Contains(states, s.State) {
						want = append(want, s.ID)
					}
				}
				for _, s := range listAll(t, b, chat.SessionsRequest{Queue: queue, States: states, Limit: 3}) {
					got = append(got, s.ID)
				}
				require.Equal(t, want, got, "%v in %s", states, queue)
			}
		}
		clean(t, b)
	})
}

// listAll is a list through all its pages.
func listAll(t testing.TB, b *Broker, r chat.SessionsRequest) []chat.Session {
	t.Helper()
	var out []chat.Session
	for {
		page, err := b.sessions.Sessions(t.Context(), theHost, r)
		require.NoError(t, err)
		out = append(out, page.Sessions...)
		if r.Cursor = page.Cursor; r.Cursor == "" {
			return out
		}
	}
}

// What a version before left out of the list by state, or left wrong in it, a
// node that starts puts right; lists are whole in the meantime.
func TestTheListByStateIsMadeForOldData(t *testing.T) {
	url := testenv.Redis(t).URL()
	q := name("q")
	old := startNode(t, url)
	want := opens(t, old, q, 50)
	eventually(t, old.sessions.ListsByState) // else it marks them as whole behind what follows
	for _, p := range old.store.Parts {
		require.NoError(t, old.store.Redis.Del(t.Context(), p.States()).Err())
	}
	wrong := want[7]
	p, _ := old.store.Of(wrong.ID)
	require.NoError(t, old.store.Redis.ZAdd(t.Context(), p.States(), zs(sessions.ByState(chat.Serving)+sessions.FiledAs(wrong.Created.UnixMilli(), wrong.ID)),
		zs(sessions.ByStateAndQueue(chat.Ended, q)+sessions.FiledAs(1, "00-gone"))).Err())
	b := startNode(t, url)
	require.Len(t, listAll(t, b, chat.SessionsRequest{Queue: q}), 50)
	eventually(t, b.sessions.ListsByState)
	require.Len(t, listAll(t, b, chat.SessionsRequest{Queue: q, States: []chat.State{chat.Waiting}}), 50)
	require.Empty(t, listAll(t, b, chat.SessionsRequest{States: []chat.State{chat.Serving}}))
	clean(t, b)
}

// The audit sees what is missing from the list by state, and what should not be in it.
func TestTheAuditSeesTheListByState(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	s := opens(t, b, name("q"), 1)[0]
	p, _ := b.store.Of(s.ID)
	clean(t, b)
	member := sessions.ByState(chat.Waiting) + sessions.FiledAs(s.Created.UnixMilli(), s.ID)
	require.NoError(t, b.store.Redis.ZRem(t.Context(), p.States(), member).Err())
	require.NotEmpty(t, violations(t, b))
	require.NoError(t, b.store.Redis.ZAdd(t.Context(), p.States(), zs(member), zs(sessions.ByState(chat.Serving)+sessions.FiledAs(1, s.ID))).Err())
	require.NotEmpty(t, violations(t, b))
}

// An agent with more sessions that ended lately than hello holds connects
// quickly; its count of unread is exact all the same, on every device.
func TestAHelloAfterManyEnds(t *testing.T) {
	url := testenv.Redis(t).URL()
	b, other := startNode(t, url), startNode(t, url)
	q := name("q")
	id := chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 10000, Issued: time.Now()}
	require.NoError(t, b.people.Introduce(t.Context(), id))
	as := chat.Actor{Identity: id}
	const n = 2500
	var g errgroup.Group
	g.SetLimit(16)
	ids := make([]string, n)
	for i := range n {
		g.Go(func() error {
			s, err := b.Open(t.Context(), theHost, chat.OpenRequest{User: chat.Person{ID: name("u")}, Queue: q})
			if err == nil {
				ids[i] = s.ID
				_, err = b.Grab(t.Context(), as, s.ID)
			}
			if err == nil {
				_, err = b.Send(t.Context(), theHost, chat.SendRequest{Session: s.ID, As: chat.RoleUser, Body: []byte(`"thanks"`)})
			}
			if err == nil {
				_, err = b.End(t.Context(), as, chat.EndRequest{Session: s.ID, Force: true})
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	p := b.store.Home(id.ID)
	eventually(t, func() bool { // what is owed is told
		load, err := b.store.Redis.HLen(t.Context(), p.Load(id.ID)).Result()
		return err == nil && load == 0
	})
	before, began := b.store.Calls.Load(), time.Now()
	ann := connect(t, b, id, "")
	hello := ann.await("hello", nil)
	t.Logf("hello after %s and %d scripts, of %d sessions", time.Since(began), b.store.Calls.Load()-before, len(hello["sessions"].([]any)))
	require.Less(t, b.store.Calls.Load()-before, int64(n/2))
	require.Equal(t, true, hello["more"])
	require.EqualValues(t, n, hello["unread"])
	require.LessOrEqual(t, chat.Sized(hello), chat.PageBytes)
	require.Less(t, b.hub.Probe().Channels(id.ID), n/2)
	shown := map[string]bool{}
	for _, s := range hello["sessions"].([]any) {
		s := s.(map[string]any)
		shown[s["id"].(string)] = true
		require.NotEmpty(t, s["mid"])
	}

	tab, away := connect(t, b, id, "tab"), connect(t, other, id, "away")
	var apart string
	for _, s := range ids {
		if !shown[s] {
			apart = s
		}
	}
	r, err := b.Read(t.Context(), tab.Actor, apart, 99)
	require.NoError(t, err)
	require.Zero(t, r.Unread)
	for _, p := range []*party{ann, away} {
		e := p.await("unread", inSession(apart))
		require.EqualValues(t, n-1, e["total"], p.Conn.ID())
	}
}

// The first answer of watch is as Redis is once the caller asks, whatever this
// node has heard: what was ended at another node, and acknowledged, is not in it.
func TestWatchShowsWhatIsAcknowledged(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	q := name("q")
	ann := agent(t, a, name("ann"), q)
	_, err := a.Watch(t.Context(), ann.Actor, nil)
	require.NoError(t, err)
	bea := agent(t, a, name("bea"), q)
	for range 100 {
		s := opens(t, b, q, 1)[0]
		_, err := b.End(t.Context(), theHost, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		views, err := a.Watch(t.Context(), bea.Actor, nil)
		require.NoError(t, err)
		require.Empty(t, views[0].Waiting)
		require.Zero(t, views[0].Size)
	}
}

// While views are read again, deliveries go on, and of more resyncs one follows.
func TestAResyncOfViewsHoldsNothingUp(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	_, err := b.Watch(t.Context(), ann.Actor, nil)
	require.NoError(t, err)
	probe := b.hall.Probe()
	v := probe.View(q)
	goOn := v.Hold() // reading it takes long
	loads := v.Loads()
	loseSubscriber(b, s.ID)
	eventually(t, probe.Resyncing)
	began := time.Now()
	uma.send(s.ID, "meanwhile")
	ann.await("message", func(e event) bool { return e["body"] == "meanwhile" })
	require.Less(t, time.Since(began), live.FeedPatience/2)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(b.hall.Resync)
	}
	wg.Wait() // they do not wait
	goOn()
	eventually(t, func() bool { return !probe.Resyncing() })
	require.EqualValues(t, 2, v.Loads()-loads)
}

func violations(t testing.TB, b *Broker) []Violation {
	t.Helper()
	found, err := b.audit(t.Context(), AuditOptions{Rate: 1e6})
	require.NoError(t, err)
	return found
}

func zs(member string) redis.Z { return redis.Z{Member: member} }
