package broker

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// 200 agents on two nodes race for each of 100 sessions: one winner each,
// capacity never passed, lists true.
func TestTwoHundredAgentsRace(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineRedis, testenv.EngineCluster} {
		t.Run(string(e), func(t *testing.T) { race(t, testenv.Shared(t, e)) })
	}
}

func race(t *testing.T, url string) {
	nodes := []*Broker{startNode(t, url), startNode(t, url)}
	q := name("q")
	const agents, sessions, capacity = 200, 100, 3
	var racers []*party
	for i := range agents {
		racers = append(racers, connect(t, nodes[i%2], chat.Identity{Role: chat.RoleAgent, ID: name("racer"), Queues: []string{q},
			Capacity: capacity}, ""))
	}
	owners := map[string]string{}
	held := map[string]int{}
	for i := range sessions {
		s := user(t, nodes[i%2], name("uma")).open(q)
		var wins, full atomic.Int64
		var winner atomic.Value
		var wg sync.WaitGroup
		for _, a := range racers {
			wg.Go(func() {
				_, err := a.b.Grab(t.Context(), a.Actor, s.ID)
				if err == nil {
					wins.Add(1)
					winner.Store(a.ID)
					return
				}
				switch chat.AsError(err).Code {
				case chat.CodeTaken:
				case chat.CodeFull:
					full.Add(1)
				default:
					t.Errorf("%s: %v", a.ID, err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, wins.Load(), "session %d", i)
		owners[s.ID] = winner.Load().(string)
		held[owners[s.ID]]++
	}
	for a, n := range held {
		require.LessOrEqual(t, n, capacity, a)
	}
	for s, a := range owners {
		st, err := nodes[0].sessions.Look(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, a, st.Agent.ID)
	}
	counted := nodes[1].stats(t, chat.StatsRequest{Queue: q})
	require.EqualValues(t, sessions, counted.Totals.Grabbed, "each grab is counted once")
	require.EqualValues(t, sessions, counted.Serving)
	for a, n := range held {
		require.EqualValues(t, n, agentOf(counted, a).Grabbed, a)
	}
	clean(t, nodes[0])
}

// Agents who ask for the first in line get different sessions, in the order of the line.
func TestGrabbingFromAQueue(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		q := name("q")
		var line []string
		for i := range 20 {
			line = append(line, user(t, nodes[i%2], name("uma")).open(q).ID)
			time.Sleep(2 * time.Millisecond) // ages differ in milliseconds
		}
		first, err := nodes[1].GrabQueue(t.Context(), agent(t, nodes[1], name("ann"), q).Actor, q)
		require.NoError(t, err)
		require.Equal(t, line[0], first.ID)
		var mu sync.Mutex
		got := map[string]bool{first.ID: true}
		var wg sync.WaitGroup
		for i := range 24 {
			a := agent(t, nodes[i%2], name("ann"), q)
			wg.Go(func() {
				s, err := a.b.GrabQueue(t.Context(), a.Actor, q)
				if err != nil {
					if chat.AsError(err).Code != chat.CodeNotFound {
						t.Errorf("%v", err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if got[s.ID] {
					t.Errorf("%s grabbed twice", s.ID)
				}
				got[s.ID] = true
			})
		}
		wg.Wait()
		require.Len(t, got, len(line))
		clean(t, nodes[0])
	})
}

// One key makes one message, however often and from wherever it is sent.
func TestAKeyMakesOneMessage(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		id := name("uma")
		u1, u2 := user(t, a, id), user(t, b, id)
		s := u1.open(name("q"))
		var wg sync.WaitGroup
		var fresh atomic.Int64
		for i := range 50 {
			p := []*party{u1, u2}[i%2]
			wg.Go(func() {
				r, err := p.b.Send(t.Context(), p.Actor, chat.SendRequest{Session: s.ID, Key: "k", Body: json.RawMessage(`"once"`)})
				if err != nil || r.Seq != 2 {
					t.Errorf("%+v %v", r, err)
				}
				if !r.Duplicate {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, fresh.Load())
		clean(t, a)
	})
}

// What a node owed when it died is carried out by another: here the effects of
// an end are left in the outbox, and a place is reserved for a claim that never comes.
func TestADeadNodesDebtsArePaid(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1}, "")
		s := user(t, b, name("uma")).open(q)
		pl, err := b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{})
		require.NoError(t, err)
		other := user(t, b, name("uma")).open(q)
		_, err = b.Grab(ctx, ann.Actor, other.ID)
		code(t, chat.CodeFull, err)

		t.Log("killed between reserve and claim: the place comes back, and a late claim is refused")
		require.Eventually(t, func() bool { return b.store.Redis.HLen(ctx, b.store.Home(ann.ID).Load(ann.ID)).Val() == 0 }, 20*time.Second, 50*time.Millisecond)
		clean(t, b)
		r, err := b.claim(ctx, pl, s.ID, false, nil)
		require.NoError(t, err)
		require.Equal(t, "late", r.Str(0))

		t.Log("killed between claim and settle: the place stays")
		pl, err = b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{})
		require.NoError(t, err)
		r, err = b.claim(ctx, pl, s.ID, false, nil)
		require.NoError(t, err)
		require.Equal(t, "ok", r.Str(0))
		clean(t, b)
		_, err = b.Grab(ctx, ann.Actor, other.ID)
		code(t, chat.CodeFull, err)

		t.Log("killed after the end, before the place was freed")
		p, _ := b.store.Of(s.ID)
		r, err = b.store.RunJSON(ctx, "end", p.Transition(s.ID, endKeys(p, q, s.User.ID)...),
			endArgs{caller: caller{call: newCall(s.ID), By: "a:" + ann.ID}, Name: ann.ID, Force: true, Queue: q})
		require.NoError(t, err)
		require.Equal(t, "ok", r.Str(0))
		clean(t, b)
		ann.grab(other.ID)
	})
}

// An effect that comes late, after a newer place was taken, takes nothing away.
func TestALateEffectTakesNothingAway(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann := agent(t, b, name("ann"), q)
		s := user(t, b, name("uma")).open(q)
		ann.grab(s.ID)
		clean(t, b)
		token, _, _ := strings.Cut(b.store.Redis.HGet(ctx, b.store.Home(ann.ID).Load(ann.ID), s.ID).Val(), "|")
		_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Queue: q})
		require.NoError(t, err)
		ann.grab(s.ID)
		clean(t, b)
		late := places.Effect{Agent: ann.ID, Session: s.ID, Rev: 3, Role: "past", Token: token}
		require.NoError(t, b.places.Settle(ctx, late))
		clean(t, b)
	})
}

// Of three reservations for one offer, the first to be adopted is the last to
// arrive: it does not replace the newest, which is what the load names.
func TestALateAdoptionIsIgnored(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s := uma.open(q)
		reserve := func() places.Place {
			pl, err := b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{Online: true})
			require.NoError(t, err)
			return pl
		}
		_, err := b.offer(ctx, chat.Actor{}, chat.TransferRequest{Session: s.ID, Agent: ann.ID, Sticky: true}, reserve(), q)
		require.NoError(t, err)
		stale := reserve()
		_, err = b.offer(ctx, chat.Actor{}, chat.TransferRequest{Session: s.ID, Agent: ann.ID, Sticky: true}, reserve(), q)
		code(t, chat.CodeWrongState, err)
		home, _ := b.store.Of(s.ID)
		r, err := b.store.Run(ctx, "resolve", []string{home.Session(s.ID)}, ann.ID, stale.Token, "")
		require.NoError(t, err)
		require.Equal(t, "target", r.Str(0))
		token, _, _ := strings.Cut(b.store.Redis.HGet(ctx, b.store.Home(ann.ID).Load(ann.ID), s.ID).Val(), "|")
		require.Equal(t, token, b.store.Redis.HGet(ctx, home.Session(s.ID), "target_res").Val())
		_, err = b.Decline(ctx, ann.Actor, s.ID, "")
		require.NoError(t, err)
		eventually(t, func() bool { return b.store.Redis.HLen(ctx, b.store.Home(ann.ID).Load(ann.ID)).Val() == 0 })
		clean(t, b)
	})
}

// An agent's grab is under way while the session is offered to it: the place
// that the load names is the offer's, and goes with the session.
func TestAnOfferOvertakesAGrab(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s := uma.open(q)
		grab, err := b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{})
		require.NoError(t, err)
		offer, err := b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{Online: true})
		require.NoError(t, err)
		_, err = b.offer(ctx, chat.Actor{}, chat.TransferRequest{Session: s.ID, Agent: ann.ID, Sticky: true}, offer, q)
		require.NoError(t, err)
		load := b.store.Home(ann.ID).Load(ann.ID)
		eventually(t, func() bool { return b.store.Redis.HGet(ctx, load, s.ID).Val() == offer.Token+"|held" })
		_, err = b.win(ctx, ann.Actor, grab, s.ID, nil)
		require.NoError(t, err)
		clean(t, b)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		clean(t, b)
		require.Zero(t, b.store.Redis.HLen(ctx, load).Val())
	})
}

// A reservation that the client library sent twice is one.
func TestAReservationSentTwice(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	ann, s := agent(t, b, name("ann"), name("q")), "00-"+ulid.Make().String()
	part := b.store.Home(ann.ID)
	var tokens [2]string
	for i := range tokens {
		r, err := b.store.RunJSON(ctx, "reserve", []string{part.Profile("a:" + ann.ID), part.Load(ann.ID), part.Timers()},
			map[string]any{"agent": ann.ID, "session": s, "token": "once", "ttl": 1, "capacity": 1, "queues": "[]", "info": "{}"})
		require.NoError(t, err)
		tokens[i] = r.Str(3)
	}
	require.Equal(t, tokens[0], tokens[1])
}

// The number of Redis round trips: one for each send, read and transition, two for a grab.
func TestRoundTrips(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), sendRate(20)) // limits cost none
	ctx, q := t.Context(), name("q")
	ann, uma := agent(t, b, name("ann"), q), user(t, b, name("uma"))
	s := uma.open(q)
	b.store.Stop() // the loops' scripts would count, too
	b.store.Tasks.Wait()
	calls := func(f func(ctx context.Context) error) int64 {
		before := b.store.Calls.Load()
		require.NoError(t, f(ctx))
		return b.store.Calls.Load() - before
	}
	pl := func(ctx context.Context) error {
		p, err := b.places.Reserve(ctx, ann.Identity, s.ID, places.Only{})
		if err != nil {
			return err
		}
		_, err = b.claim(ctx, p, s.ID, false, nil)
		return err
	}
	require.EqualValues(t, 2, calls(pl), "a grab, up to its answer")
	require.EqualValues(t, 1, calls(func(ctx context.Context) error {
		_, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"hi"`)})
		return err
	}))
	require.EqualValues(t, 1, calls(func(ctx context.Context) error {
		_, err := b.Read(ctx, uma.Actor, s.ID, 9)
		return err
	}))
}

// A target who tries to grab what it is offered keeps the place that the offer holds.
func TestATargetWhoGrabsKeepsItsPlace(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann, bea := agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		s := user(t, b, name("uma")).open(q)
		ann.grab(s.ID)
		_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		_, err = b.Grab(ctx, bea.Actor, s.ID)
		code(t, chat.CodeTaken, err)
		_, err = b.Accept(ctx, bea.Actor, s.ID)
		require.NoError(t, err)
		clean(t, b)
	})
}

// The clocks of an agent's and a session's server are apart, by any time and in
// either direction: a place is as good as its token, and one that was given up is fenced off.
func TestClocksApart(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann := agent(t, b, name("ann"), q)
		part := b.store.Home(ann.ID)
		reserve := func(session string, ahead time.Duration) places.Place {
			r, err := b.store.RunJSON(ctx, "reserve", []string{part.Profile("a:" + ann.ID), part.Load(ann.ID), part.Timers()},
				map[string]any{"agent": ann.ID, "session": session, "token": ulid.Make().String(), "ttl": (places.TTL + ahead).Milliseconds(),
					"capacity": 0, "queues": chat.Encode([]string{q}), "info": "{}"})
			require.NoError(t, err)
			return places.Place{Agent: ann.ID, Token: r.Str(3), Info: r.Str(2), Queues: []string{q}}
		}
		for _, ahead := range []time.Duration{-time.Hour, -6 * time.Second, 0, 6 * time.Second, time.Hour} {
			s := user(t, b, name("uma")).open(q)
			_, err := b.win(ctx, ann.Actor, reserve(s.ID, ahead), s.ID, nil)
			require.NoError(t, err, ahead)
		}
		// Its timer has given a place up: a claim that comes late is refused, whatever the time, and the next one is not.
		s := user(t, b, name("uma")).open(q)
		late := reserve(s.ID, -time.Minute)
		eventually(t, func() bool { return store.IsNil(b.store.Redis.HGet(ctx, part.Load(ann.ID), s.ID).Err()) })
		_, err := b.win(ctx, ann.Actor, late, s.ID, nil)
		require.ErrorIs(t, err, store.ErrLate)
		ann.grab(s.ID)
		clean(t, b)
	})
}
