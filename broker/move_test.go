package broker

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func moved(t *testing.T, b *Broker, id string) (m Move) {
	t.Helper()
	eventually(t, func() bool {
		var err error
		m, err = b.MoveStatus(t.Context(), host, id)
		return err == nil && m.State == "done"
	})
	require.Equal(t, m.Total, m.Moved+m.Failed)
	return m
}

// An agent's sessions go to another queue, or wait again ahead of their own.
func TestAnAgentsSessionsMove(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q, q2 := t.Context(), name("q"), name("q")
		ann := agent(t, a, name("ann"), q)
		boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
		var sessions []string
		for range 5 {
			s := user(t, b, name("uma")).open(q)
			ann.grab(s.ID)
			sessions = append(sessions, s.ID)
		}
		_, err := a.End(ctx, host, chat.EndRequest{Session: sessions[0]})
		require.NoError(t, err)
		m, err := b.MoveAll(ctx, boss.Actor, MoveRequest{FromAgent: ann.ID, Queue: q2, Note: "ann is ill"})
		require.NoError(t, err)
		require.EqualValues(t, 4, m.Total)
		m = moved(t, a, m.ID)
		require.EqualValues(t, 4, m.Moved)
		line, err := a.waiting.First(ctx, q2, 9)
		require.NoError(t, err)
		require.ElementsMatch(t, sessions[1:], line)
		last, err := a.sessions.ReadLog(ctx, sessions[1], 3, 9)
		require.NoError(t, err)
		require.Equal(t, `"ann is ill"`, last[0].Body)
		clean(t, a)

		early := openFor(t, a, q, name("uma"))
		late := user(t, b, name("uma")).open(q)
		ann.grab(late.ID)
		m, err = b.MoveAll(ctx, host, MoveRequest{FromAgent: ann.ID})
		require.NoError(t, err)
		moved(t, b, m.ID)
		line, err = a.waiting.First(ctx, q, 9)
		require.NoError(t, err)
		require.Equal(t, []string{late.ID, early.ID}, line, "ahead of their own")
		clean(t, a)
	})
}

// A queue is moved while agents grab from it and the node that began dies:
// every session is moved or grabbed, none is taken from its agent.
func TestAQueueMoves(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	ctx, q, q2 := t.Context(), name("q"), name("q")
	var ids []string
	for range 150 {
		ids = append(ids, openFor(t, a, q, name("uma")).ID)
	}
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 200}, "")
	m, err := a.MoveAll(ctx, host, MoveRequest{FromQueue: q, Queue: q2})
	require.NoError(t, err)
	require.EqualValues(t, len(ids), m.Total)
	p := b.store.Home(m.ID)
	require.NoError(t, b.store.Redis.ZRem(ctx, p.Timers(), "move|"+m.ID).Err()) // in the hands of one that is slow
	var wg sync.WaitGroup
	ours := map[string]bool{}
	wg.Go(func() {
		for {
			s, err := b.GrabQueue(ctx, ann.Actor, q)
			if err != nil {
				return
			}
			ours[s.ID] = true
		}
	})
	wg.Go(func() {
		for _, n := range []*Broker{a, b} { // both, as when a lease has run out
			wg.Go(func() {
				if err := n.carryMove(ctx, m.ID); err != nil {
					t.Error(err)
				}
			})
		}
	})
	wg.Wait()
	m = moved(t, b, m.ID)
	require.EqualValues(t, len(ours), m.Failed)
	n := 0
	for _, id := range ids {
		st, err := b.sessions.Look(ctx, id)
		require.NoError(t, err)
		if ours[id] {
			require.Equal(t, ann.ID, st.Agent.ID)
			continue
		}
		require.Equal(t, []any{chat.Waiting, q2}, []any{st.State, st.Queue})
		n++
	}
	require.EqualValues(t, m.Moved, n)
	t.Logf("%d moved, %d grabbed", n, len(ours))
	clean(t, b)

	t.Log("begun by a node that dies: another carries it out")
	require.NoError(t, a.Close(ctx))
	m, err = b.MoveAll(ctx, host, MoveRequest{FromQueue: q2, Queue: q})
	require.NoError(t, err)
	began := time.Now()
	require.Zero(t, moved(t, b, m.ID).Failed)
	require.Less(t, time.Since(began), 5*time.Second)
	clean(t, b)
}

// A whisper reaches those who serve a session, once, counts for them, and never shows to the user.
func TestWhisper(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann, bea, uma := agent(t, a, name("ann"), q), agent(t, b, name("bea"), q), user(t, b, name("uma"))
		boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
		s := uma.open(q)
		whisper := func(p *party, text, key string) (chat.SendReply, error) {
			return p.b.Whisper(ctx, p.Actor, WhisperRequest{Session: s.ID, Text: text, Key: key})
		}
		_, err := whisper(boss, "x", "")
		code(t, chat.CodeWrongState, err)
		ann.grab(s.ID)
		_, err = b.Join(ctx, boss.Actor, s.ID, true)
		require.NoError(t, err)
		for _, p := range []*party{ann, bea, uma} {
			_, err = whisper(p, "x", "")
			code(t, chat.CodeForbidden, err)
		}
		_, err = whisper(boss, "", "")
		code(t, chat.CodeBadRequest, err)
		first, err := whisper(boss, "be kind", "k")
		require.NoError(t, err)
		again, err := whisper(boss, "be kind", "k")
		require.NoError(t, err)
		require.Equal(t, []any{first.Seq, first.Mid, true}, []any{again.Seq, again.Mid, again.Duplicate})
		e := ann.await("message", func(e event) bool { return e["type"] == "note" })
		require.Equal(t, "be kind", e["body"])
		boss.await("message", func(e event) bool { return e["type"] == "note" })
		st, err := a.sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, st.Counts["a:"+ann.ID])
		require.EqualValues(t, 0, st.Counts["u:"+uma.ID])
		require.Len(t, st.Counts, 2, "she takes no part")
		require.EqualValues(t, 2, st.Rev)
		h, err := b.History(ctx, uma.Actor, chat.HistoryRequest{Session: s.ID, After: 0, Before: -1})
		require.NoError(t, err)
		require.Len(t, h.Messages, 2, "opened and grabbed")
		clean(t, a)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		_, err = whisper(boss, "late", "")
		code(t, chat.CodeEnded, err)
		clean(t, a)
	})
}
