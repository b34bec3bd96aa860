package broker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// obeying is one thing that uses a setting: prepare begins it, and act, after the
// settings were put at another node, gives what it used, in ms.
type obeying struct {
	name    string
	prepare func(g *rulesStage)
	act     func(g *rulesStage) int64
}

// rulesStage is a queue with people, all at one node.
type rulesStage struct {
	t                  *testing.T
	b                  *Broker
	q                  string
	uma, ann, bea, sue *party
	s                  chat.Session
}

func (g *rulesStage) field(name string) int64 {
	g.t.Helper()
	p, _ := g.b.store.Of(g.s.ID)
	n, err := g.b.store.Redis.HGet(g.t.Context(), p.Session(g.s.ID), name).Int64()
	require.NoError(g.t, err)
	return n
}

// left is how long until a timer of the session falls due.
func (g *rulesStage) left(p store.Partition, timer string) int64 {
	g.t.Helper()
	due, err := g.b.store.Redis.ZScore(g.t.Context(), p.Timers(), timer).Result()
	require.NoError(g.t, err)
	now, err := g.b.store.Redis.Time(g.t.Context()).Result()
	require.NoError(g.t, err)
	return int64(due) - now.UnixMilli()
}

func (g *rulesStage) must(s chat.Session, err error) {
	g.t.Helper()
	require.NoError(g.t, err)
	g.s = s
}

func waitingOne(g *rulesStage) { g.s = g.uma.open(g.q) }

func servedOne(g *rulesStage) {
	waitingOne(g)
	g.ann.grab(g.s.ID)
}

var everythingThatObeys = []obeying{
	{"open", func(*rulesStage) {}, func(g *rulesStage) int64 { waitingOne(g); return g.field("abandon") }},
	{"open for long", func(*rulesStage) {}, func(g *rulesStage) int64 { waitingOne(g); return g.field("patience") }},
	{"grab", waitingOne, func(g *rulesStage) int64 { g.ann.grab(g.s.ID); return g.field("idle") }},
	{"transfer to an agent", servedOne, func(g *rulesStage) int64 {
		g.must(g.b.Transfer(g.t.Context(), g.ann.Actor, chat.TransferRequest{Session: g.s.ID, Agent: g.bea.ID}))
		p, _ := g.b.store.Of(g.s.ID)
		return g.left(p, "offer|"+g.s.ID)
	}},
	{"accept", func(g *rulesStage) {
		servedOne(g)
		g.must(g.b.Transfer(g.t.Context(), g.ann.Actor, chat.TransferRequest{Session: g.s.ID, Agent: g.bea.ID}))
	}, func(g *rulesStage) int64 {
		g.must(g.b.Accept(g.t.Context(), g.bea.Actor, g.s.ID))
		return g.field("idle")
	}},
	{"take over", servedOne, func(g *rulesStage) int64 {
		g.must(g.b.TakeOver(g.t.Context(), g.sue.Actor, g.s.ID))
		return g.field("idle")
	}},
	{"end", servedOne, func(g *rulesStage) int64 {
		g.must(g.b.End(g.t.Context(), g.ann.Actor, chat.EndRequest{Session: g.s.ID}))
		p, _ := g.b.store.Of(g.s.ID)
		return g.left(p, "end|"+g.s.ID)
	}},
	{"transfer to the queue", servedOne, func(g *rulesStage) int64 {
		g.must(g.b.Transfer(g.t.Context(), g.ann.Actor, chat.TransferRequest{Session: g.s.ID, Queue: g.q}))
		return g.field("abandon")
	}},
	{"reopen", func(g *rulesStage) {
		waitingOne(g)
		g.must(g.b.End(g.t.Context(), g.uma.Actor, chat.EndRequest{Session: g.s.ID}))
	}, func(g *rulesStage) int64 {
		g.must(g.b.Reopen(g.t.Context(), g.uma.Actor, g.s.ID))
		return g.field("abandon")
	}},
	{"disconnect", func(*rulesStage) {}, func(g *rulesStage) int64 {
		g.bea.Conn.Close(context.WithoutCancel(g.t.Context()))
		return g.left(g.b.store.Home(g.bea.ID), "gone|"+g.bea.ID)
	}},
}

// What was answered for holds for whatever begins afterwards, on every node, and not only within a second.
func TestSettingsHoldEverywhereOnceAnswered(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	for _, o := range everythingThatObeys {
		t.Run(o.name, func(t *testing.T) {
			g := &rulesStage{t: t, b: b, q: name("q")}
			for i := range 50 {
				a.set(t, g.q, func(*chat.QueueSettings) {})
				g.uma, g.ann, g.bea = user(t, b, name("uma")), agent(t, b, name("ann"), g.q), agent(t, b, name("bea"), g.q)
				g.sue = connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
				o.prepare(g)
				v := 10000 + i
				a.set(t, g.q, func(s *chat.QueueSettings) {
					s.OfferTimeout, s.EndTimeout, s.IdleTimeout, s.AbandonTimeout, s.AgentGrace, s.Patience, s.ReopenWindow = v, v, v, v, v, v, v
				})
				require.InDelta(t, store.Milliseconds(v), o.act(g), 900, "round %d", i)
				_, err := a.End(t.Context(), host, chat.EndRequest{Session: g.s.ID})
				if g.s.ID != "" {
					require.NoError(t, err)
				}
			}
		})
	}
}

// A window that was closed is closed at every node.
func TestAWindowClosesEverywhere(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		a.set(t, q, func(*chat.QueueSettings) {})
		for range 10 {
			uma := user(t, b, name("uma"))
			s := uma.open(q)
			_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
			require.NoError(t, err)
			a.set(t, q, func(s *chat.QueueSettings) { s.ReopenWindow = 0 })
			time.Sleep(time.Millisecond) // an end and a window of no time: the next millisecond is late
			_, err = b.Reopen(ctx, uma.Actor, s.ID)
			code(t, chat.CodeTooLate, err)
			require.NoError(t, a.DeleteQueue(ctx, host, q))
			_, err = b.Reopen(ctx, uma.Actor, s.ID)
			require.NoError(t, err, "the defaults hold again")
		}
		clean(t, a)
	})
}

// Whoever assigns sessions by settings that were replaced does not.
func TestNothingIsAssignedOnceGrabbingWasAnswered(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	ctx, q := t.Context(), name("q")
	for range 20 {
		a.set(t, q, func(s *chat.QueueSettings) { s.Routing = "auto" })
		b.dispatchers.Tend(ctx)
		ann, uma := agent(t, b, name("ann"), q), user(t, b, name("uma"))
		a.set(t, q, func(s *chat.QueueSettings) { s.Routing = "grab" })
		s := openFor(t, a, q, uma.ID)
		err := b.assign(ctx, routing.Assignment{Session: s.ID, Agent: ann.ID, Role: chat.RoleAgent, Queue: q})
		require.ErrorIs(t, err, store.ErrLate)
		began := time.Now()
		eventually(t, func() bool { return b.store.Redis.HLen(ctx, b.store.Home(ann.ID).Load(ann.ID)).Val() == 0 }) // the dispatcher itself may be at it
		require.Less(t, time.Since(began), 3*time.Second, "it was left to the place's timer")
		_, err = a.End(ctx, host, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		ann.Conn.Close(ctx)
	}
	clean(t, a)
}

// A change that ended half way harms nobody: nodes read it, whichever partitions heard of it. A node of an earlier
// version wrote the settings in one step, and told the partitions in the next.
func TestAChangeThatEndedHalfWay(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a := startNode(t, url)
	ctx, q, p := t.Context(), name("q"), a.store.Parts[0]
	a.set(t, q, func(s *chat.QueueSettings) { s.AbandonTimeout = 77 })
	for what, put := range map[string]func(settings string) error{
		"ours": func(settings string) error {
			_, err := a.store.Run(ctx, "queue", []string{p.Queues(), p.Dirty(), p.Rules(), p.Alive()}, q, settings, name("half"))
			return err
		},
		"an earlier version's": func(settings string) error {
			if err := a.store.Redis.HSet(ctx, p.Queues(), q, settings).Err(); err != nil {
				return err
			}
			for _, p := range a.store.Parts[:len(a.store.Parts)/2] {
				if err := a.store.Redis.Set(ctx, p.Rules(), name("half"), 0).Err(); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		for _, timeout := range []int{88, 99} {
			s := chat.DefaultQueue(q)
			s.AbandonTimeout = timeout
			require.NoError(t, put(chat.Encode(s)), what)
			g := &rulesStage{t: t, b: a, q: q}
			eventually(t, func() bool {
				g.uma = user(t, a, name("uma"))
				waitingOne(g)
				return g.field("abandon") == int64(timeout)*1000
			})
		}
	}
	clean(t, a)
}
