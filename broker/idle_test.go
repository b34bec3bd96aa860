package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A served session in which nobody writes is warned of, then ended; who writes is not cut off.
func TestAnIdleSessionEnds(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q := name("q")
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.IdleTimeout = 4 })
		}
		ann, uma := agent(t, a, name("ann"), q), user(t, b, name("uma"))
		s := uma.open(q)
		time.Sleep(1200 * time.Millisecond) // waiting is not idling
		ann.grab(s.ID)
		began := time.Now()
		warned := uma.await("message", what("idle-warning"))
		require.EqualValues(t, 2, warned["body"].(map[string]any)["seconds"])
		within(t, began, 2*time.Second, 4200*time.Millisecond)
		began = time.Now()
		uma.send(s.ID, "still here")
		seq := int64(warned["seq"].(float64))
		again := ann.await("message", func(e event) bool {
			return what("idle-warning")(e) && int64(e["seq"].(float64)) > seq
		})
		within(t, began, 2*time.Second, 4200*time.Millisecond)
		require.NotNil(t, again)
		e := ann.await("session", inStateOf(chat.Ended))["session"].(map[string]any)
		within(t, began, 4*time.Second, 8500*time.Millisecond)
		require.Equal(t, "idle", e["reason"])
		require.Equal(t, "", e["endedBy"])
		clean(t, a)
	})
}

// A client waits for an agent who is not there (Rocket.Chat feature-requests
// #593): it is told once that it takes long, and may leave a message and go.
func TestPatience(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q, ctx := name("q"), t.Context()
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.Patience, s.AbandonTimeout, s.Offline = 1, 1, "leave a message" })
		}
		uma := user(t, a, name("uma"))
		ben := user(t, b, inPart(b, b.store.Home(uma.ID).Index))
		began := time.Now()
		left, gone := uma.open(q), ben.open(q)
		told := uma.await("message", what("long-wait"))
		within(t, began, time.Second, 3200*time.Millisecond)
		require.Equal(t, "leave a message", told["body"].(map[string]any)["text"])
		ben.await("message", what("long-wait"))
		uma.send(left.ID, "call me")
		uma.Conn.Close(ctx)
		ben.Conn.Close(ctx)
		eventually(t, func() bool { st, err := b.sessions.Look(ctx, gone.ID); return err == nil && st.Reason == "abandoned" })
		beats(t, []*Broker{a, b}, 1, b.store.Home(uma.ID)) // what was due of it before, or with it, is carried out
		st, err := b.sessions.Look(ctx, left.ID)
		require.NoError(t, err)
		require.Equal(t, chat.Waiting, st.State)
		require.EqualValues(t, 3, st.Seq, "opened, told once, and what it left")
		clean(t, a)
	})
}

// A timer is not lost with the node that set it, and does not fire twice: every
// node that takes it finds out by itself.
func TestTimersOutliveTheirNode(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	q, ctx := name("q"), t.Context()
	for _, n := range []*Broker{a, b} {
		n.set(t, q, func(s *chat.QueueSettings) { s.Patience, s.IdleTimeout = 1, 2 })
	}
	uma := user(t, b, name("uma"))
	s, err := a.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: uma.ID}, Queue: q})
	require.NoError(t, err)
	a.store.Stop() // dead, and silent about it
	uma.await("message", what("long-wait"))
	for range 3 {
		require.NoError(t, b.fire(ctx, b.store.Home(uma.ID), "patience|"+s.ID), "taken again")
	}
	agent(t, b, name("ann"), q).grab(s.ID)
	uma.await("session", inStateOf(chat.Ended))
	for range 3 {
		require.NoError(t, b.fire(ctx, b.store.Home(uma.ID), "idle|"+s.ID))
	}
	entries, err := b.sessions.ReadLog(ctx, s.ID, 1, 99)
	require.NoError(t, err)
	require.Len(t, entries, 5, "opened, long-wait, grabbed, idle-warning, ended")
	clean(t, b)
}

// What is written in the very millisecond of the warning was written after it: else nobody had been warned.
func TestAMessageInTheWarningsMillisecond(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	p, _ := b.store.Of(s.ID)
	idle := func(warned, written time.Duration) chat.State {
		now := b.store.Redis.Time(t.Context()).Val()
		ms := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
		require.NoError(t, b.store.Redis.HSet(t.Context(), p.Session(s.ID), "idle", 20_000, "idle_since", ms(time.Minute), "last", ms(written), "idle_warned", ms(warned)).Err())
		b.mustRun(t, "idle", p.Transition(s.ID, endKeys(p, q, uma.ID)...), overdueArgs{call: newCall(s.ID), Queue: q})
		st, err := b.sessions.Look(t.Context(), s.ID)
		require.NoError(t, err)
		return st.State
	}
	require.Equal(t, chat.Serving, idle(15*time.Second, 15*time.Second))
	require.Equal(t, chat.Ended, idle(15*time.Second, 30*time.Second), "nobody wrote since")
}
