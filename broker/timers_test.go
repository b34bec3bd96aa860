package broker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

var host = chat.Actor{Host: true}

func (b *Broker) set(t testing.TB, q string, change func(*chat.QueueSettings)) {
	t.Helper()
	s := chat.DefaultQueue(q)
	change(&s)
	_, err := b.PutQueue(t.Context(), host, s)
	require.NoError(t, err)
	// Whoever starts on a shared Redis later would assign in it, too.
	t.Cleanup(func() { _ = b.store.Redis.HDel(context.Background(), b.store.Parts[0].Queues(), q).Err() })
}

func inStateOf(s chat.State) func(event) bool {
	return func(e event) bool { return e["session"].(map[string]any)["state"] == string(s) }
}

// Timers fire on time, not early, on whatever node: an offer, an end, an abandoned user.
func TestTimers(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q, ctx := name("q"), t.Context()
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.OfferTimeout, s.EndTimeout, s.AbandonTimeout = 1, 1, 1 })
		}
		ann, bea := agent(t, a, name("ann"), q), agent(t, b, name("bea"), q)
		uma := user(t, a, name("uma"))
		s := uma.open(q)
		abandonment(t, []*Broker{a, b}, q, uma.ID) // a connected user is not abandoned, however long it waits
		ann.grab(s.ID)

		began := time.Now()
		_, err := a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		bea.await("offer", nil)
		ended := bea.await("offer-ended", nil)
		require.Equal(t, "expired", ended["outcome"])
		within(t, began, time.Second, 3500*time.Millisecond)
		_, err = b.Accept(ctx, bea.Actor, s.ID)
		code(t, chat.CodeWrongState, err)

		began = time.Now()
		_, err = a.End(ctx, ann.Actor, chat.EndRequest{Session: s.ID, Reason: "done"})
		require.NoError(t, err)
		e := uma.await("session", inStateOf(chat.Ended))["session"].(map[string]any)
		require.Equal(t, ann.ID, e["endedBy"])
		require.Equal(t, "done", e["reason"])
		within(t, began, time.Second, 3500*time.Millisecond)

		left := user(t, b, name("uma"))
		s = left.open(q)
		began = time.Now()
		left.Conn.Close(ctx)
		eventually(t, func() bool {
			st, err := a.sessions.Look(ctx, s.ID)
			return err == nil && st.State == chat.Ended && st.Reason == "abandoned"
		})
		within(t, began, time.Second, 3500*time.Millisecond)
		clean(t, a)
	})
}

func within(t testing.TB, began time.Time, least, most time.Duration) {
	t.Helper()
	took := time.Since(began)
	require.GreaterOrEqual(t, took, least-5*time.Millisecond, "too early")
	require.LessOrEqual(t, took, most, "too late")
}

// abandonment waits until a session has been abandoned whose user, of the same partition as
// somebody else, was never there: whoever had been away for longer would have been found so, too.
func abandonment(t testing.TB, nodes []*Broker, q, beside string) {
	t.Helper()
	b := nodes[0]
	p := b.store.Home(beside)
	s := openFor(t, b, q, inPart(b, p.Index))
	eventually(t, func() bool {
		st, err := b.sessions.Look(t.Context(), s.ID)
		return err == nil && st.State == chat.Ended && st.Reason == "abandoned"
	})
	beats(t, nodes, 1, p) // what was due together with it is carried out, too
}

// grace waits until an agent, of the same partition as somebody else, is offline who has just
// gone: whoever had gone before would be so, too.
func grace(t testing.TB, nodes []*Broker, q, beside string) {
	t.Helper()
	b := nodes[0]
	p := b.store.Home(beside)
	ann := agent(t, b, inPart(b, p.Index), q)
	ann.Conn.Close(t.Context())
	eventually(t, func() bool { return statusOf(t, b, ann.ID) == chat.Offline })
	beats(t, nodes, 1, p) // what was due together with it is carried out, too
}

func eventually(t testing.TB, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 40*time.Second, 50*time.Millisecond)
}

// An agent goes offline and its chats hang (Rocket.Chat #9278, #11280): here
// one who does not come back is offline; its sessions wait again, ahead,
// its offers are declined, and the user is told.
func TestAnAgentWhoDoesNotComeBack(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q, ctx := name("q"), t.Context()
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.AgentGrace = 1 })
		}
		ann, bea, boss := agent(t, a, name("ann"), q), agent(t, b, name("bea"), q), agent(t, b, name("cay"), q)
		_, err := b.Watch(ctx, boss.Actor, nil)
		require.NoError(t, err)
		uma, ben, joe := user(t, b, name("uma")), user(t, b, name("ben")), user(t, b, name("joe"))
		mine, offered, helped := uma.open(q), ben.open(q), joe.open(q)
		ann.grab(mine.ID)
		bea.grab(offered.ID)
		bea.grab(helped.ID)
		_, err = b.Transfer(ctx, bea.Actor, chat.TransferRequest{Session: offered.ID, Agent: ann.ID})
		require.NoError(t, err)
		_, err = a.Join(ctx, ann.Actor, helped.ID, false)
		require.NoError(t, err)
		other := user(t, b, name("uma")).open(q)

		again := connect(t, b, ann.Identity, "second")
		ann.Conn.Close(ctx)
		grace(t, []*Broker{a, b}, q, ann.ID) // another device is there: nothing happens
		st, err := b.sessions.Look(ctx, mine.ID)
		require.NoError(t, err)
		require.Equal(t, chat.Serving, st.State)
		again.Conn.Close(ctx)

		uma.await("session", inStateOf(chat.Waiting))
		uma.await("message", func(e event) bool {
			body, _ := e["body"].(map[string]any)
			return body["what"] == "requeued" && body["reason"] == "agent-gone"
		})
		boss.await("presence", func(e event) bool { return e["agent"] == ann.ID && e["status"] == "offline" })
		bea.await("session", func(e event) bool {
			s := e["session"].(map[string]any)
			return s["id"] == offered.ID && s["state"] == "serving" && s["rev"].(float64) > 3
		})
		eventually(t, func() bool {
			st, err := b.sessions.Look(ctx, helped.ID)
			return err == nil && len(st.Assistants) == 0
		})
		line, err := b.waiting.First(ctx, q, 9)
		require.NoError(t, err)
		require.Equal(t, []string{mine.ID, other.ID}, line, "ahead of the others")
		clean(t, a)
		boss.grab(mine.ID)
	})
}

// The connections of a node that died are found within 15 s.
func TestADeadNode(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	q, ctx := name("q"), t.Context()
	for _, n := range []*Broker{a, b} {
		n.set(t, q, func(s *chat.QueueSettings) { s.AgentGrace = 1 })
	}
	ann, uma := agent(t, a, name("ann"), q), user(t, b, name("uma"))
	s := uma.open(q)
	ann.grab(s.ID)
	uma.await("session", inStateOf(chat.Serving))
	a.store.Stop() // its loops end, as if it were killed: no heartbeat, and nothing said
	began := time.Now()
	eventually(t, func() bool {
		st, err := b.sessions.Look(ctx, s.ID)
		return err == nil && st.State == chat.Waiting
	})
	within(t, began, 9*time.Second, 18*time.Second)
	clean(t, b)
}

// A node that was thought dead tells Redis of its connections again.
func TestANodeThoughtDead(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	uma := user(t, b, name("uma"))
	p := b.store.Home(uma.ID)
	bury(t, b, p, b.store.Node)
	require.Zero(t, b.store.Redis.HLen(ctx, p.Conns("u:"+uma.ID)).Val())
	eventually(t, func() bool { return b.store.Redis.HLen(ctx, p.Conns("u:"+uma.ID)).Val() == 1 })
}

// A second connection of one device replaces the first, on whatever node; the
// 21st device is refused.
func TestDevices(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		id := chat.Identity{Role: chat.RoleUser, ID: name("uma")}
		first := connect(t, a, id, "phone")
		connect(t, b, id, "phone")
		eventually(t, func() bool {
			first.wire.mu.Lock()
			defer first.wire.mu.Unlock()
			return first.wire.code == chat.CloseReplaced
		})
		first.Conn.Close(t.Context()) // must not take the new one's registration away
		for range 19 {
			connect(t, a, id, "")
		}
		id.Issued = time.Now()
		_, err := b.Connect(t.Context(), id, "", &wire{more: make(chan struct{})})
		code(t, chat.CodeRateLimited, err)
	})
}

// Tokens are issued, found, revoked one by one and all together, on every node.
func TestTokens(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx := t.Context()
		id := chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Name: "Ann", Queues: []string{"x"}}
		one, _, err := a.IssueToken(ctx, id, 0)
		require.NoError(t, err)
		two, expires, err := a.IssueToken(ctx, id, time.Hour)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(time.Hour), expires, 5*time.Second)
		got, err := b.Authenticate(ctx, one)
		require.NoError(t, err)
		require.Equal(t, "Ann", got.Name)
		require.Equal(t, chat.DefaultCapacity, got.Capacity)
		p := connect(t, b, got, "")
		require.NoError(t, a.RevokeToken(ctx, one))
		p.awaitClose(chat.CloseRevoked)
		_, err = b.Authenticate(ctx, one)
		code(t, chat.CodeUnauthorized, err)

		got, err = b.Authenticate(ctx, two)
		require.NoError(t, err)
		p = connect(t, b, got, "")
		require.NoError(t, a.RevokeParticipant(ctx, chat.RoleAgent, id.ID))
		p.awaitClose(chat.CloseRevoked)
		_, err = b.Authenticate(ctx, two)
		code(t, chat.CodeUnauthorized, err)
		_, err = b.Connect(ctx, got, "", &wire{more: make(chan struct{})})
		code(t, chat.CodeUnauthorized, err)
		three, _, err := a.IssueToken(ctx, id, 0)
		require.NoError(t, err)
		_, err = b.Authenticate(ctx, three)
		require.NoError(t, err)
		for _, bad := range []string{"", "x", one + "\x00", "{", string(make([]byte, 9000))} {
			_, err = b.Authenticate(ctx, bad)
			code(t, chat.CodeUnauthorized, err)
		}
	})
}

func (p *party) awaitClose(want uint16) {
	p.t.Helper()
	eventually(p.t, func() bool {
		p.wire.mu.Lock()
		defer p.wire.mu.Unlock()
		return p.wire.code == want
	})
}

// An agent's settings come before its token's, at once; disabling closes its connections.
func TestAgentSettings(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q := t.Context(), name("q")
	ann := agent(t, b, name("ann"), "elsewhere")
	s := user(t, b, name("uma")).open(q)
	_, err := b.Grab(ctx, ann.Actor, s.ID)
	code(t, chat.CodeForbidden, err)
	_, err = b.PutAgent(ctx, ann.Actor, ann.ID, chat.AgentSettings{Queues: []string{q}})
	code(t, chat.CodeForbidden, err)
	info, err := b.PutAgent(ctx, host, ann.ID, chat.AgentSettings{Queues: []string{q}, Capacity: 1})
	require.NoError(t, err)
	require.Equal(t, chat.Online, info.Status)
	eventually(t, func() bool { return ann.Conn.Identity().Capacity == 1 })
	ann.grab(s.ID)
	other := user(t, b, name("uma")).open(q)
	_, err = b.Grab(ctx, ann.Actor, other.ID)
	code(t, chat.CodeFull, err)
	require.Equal(t, 1, chat.AsError(err).Capacity)
	_, err = b.PutAgent(ctx, host, ann.ID, chat.AgentSettings{Queues: []string{q}, Disabled: true})
	require.NoError(t, err)
	ann.awaitClose(chat.CloseRemoved)
	_, err = b.Grab(ctx, ann.Actor, other.ID)
	code(t, chat.CodeForbidden, err)
	list, err := b.AgentList(ctx, host)
	require.NoError(t, err)
	require.NotEmpty(t, list)
}

// A lost subscriber loses nothing: what was published meanwhile is read from
// the log, in order, once.
func TestALostSubscriber(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q := name("q")
		uma := user(t, a, name("uma"))
		s := uma.open(q)
		ann := agent(t, b, name("ann"), q)
		ann.grab(s.ID)
		next := int64(3)
		for range 5 {
			loseSubscriber(a, s.ID)
			for range 20 {
				ann.send(s.ID, "x")
			}
		}
		uma.await("message", func(e event) bool { return e["seq"] == 102.0 })
		uma.wire.mu.Lock()
		defer uma.wire.mu.Unlock()
		for _, e := range uma.events {
			if seq, ok := e["seq"].(float64); ok && e["event"] == "message" && seq >= 3 {
				require.EqualValues(t, next, seq)
				next++
			}
		}
		require.EqualValues(t, 103, next)
	})
}

// Revocations, offers and sessions that a lost subscriber missed are found.
func TestResyncFindsWhatWasMissed(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q := t.Context(), name("q")
	uma := user(t, b, name("uma"))
	p := b.store.Home(uma.ID)
	s, err := b.Open(ctx, chat.Actor{Host: true}, chat.OpenRequest{User: uma.Person(), Queue: q})
	require.NoError(t, err)
	uma.await("session", inState(s.ID))
	require.NoError(t, b.store.Redis.HSet(ctx, p.Profile("u:"+uma.ID), "revoked", time.Now().Add(time.Minute).UnixMilli()).Err())
	b.hub.Probe().Resync(context.WithoutCancel(ctx), uma.ID)
	uma.awaitClose(chat.CloseRevoked)
}

func inState(id string) func(event) bool {
	return func(e event) bool { return e["session"].(map[string]any)["id"] == id }
}
