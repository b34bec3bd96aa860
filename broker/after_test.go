package broker

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func what(name string) func(event) bool {
	return func(e event) bool {
		body, _ := e["body"].(map[string]any)
		return body["what"] == name
	}
}

// A session is rated by its user, once, after its end; also when it has left Redis.
func TestRating(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, func(o *Options) { o.expire = 500 * time.Millisecond })
		ctx, q := t.Context(), name("q")
		ann, uma := agent(t, b, name("ann"), q), user(t, b, name("uma"))
		s := uma.open(q)
		rate := func(a chat.Actor, score int, comment string) error {
			_, err := b.Rate(ctx, a, RateRequest{Session: s.ID, Score: score, Comment: comment})
			return err
		}
		code(t, chat.CodeWrongState, rate(uma.Actor, 5, ""))
		ann.grab(s.ID)
		_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		code(t, chat.CodeBadRequest, rate(uma.Actor, 0, ""))
		code(t, chat.CodeBadRequest, rate(uma.Actor, 6, ""))
		code(t, chat.CodeForbidden, rate(ann.Actor, 5, ""))
		code(t, chat.CodeForbidden, rate(user(t, b, name("eve")).Actor, 5, ""))
		shelve(t, b, s.ID)

		t.Log("it has moved to the archive, and is rated all the same")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for score := 1; score <= 5; score++ {
			wg.Go(func() {
				err := rate(uma.Actor, score, "谢谢")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if chat.AsError(err).Code != chat.CodeTooLate {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won, "of five different ratings at once")
		st, err := b.sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		require.Equal(t, "谢谢", st.Rating.Comment)
		require.NoError(t, rate(uma.Actor, st.Rating.Score, "谢谢"), "the same again")
		eventually(t, func() bool {
			old, err := b.sessions.Shelved(ctx, s.ID)
			return err == nil && old.Rating != nil && old.Rating.Score == st.Rating.Score
		})
		clean(t, b)
	})
}

// An ended session waits again for its user, at the end of the line and without
// those who took part; from the archive, too, and on two nodes at once.
func TestReopening(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		brief := func(o *Options) { o.expire = 500 * time.Millisecond }
		a, b := startNode(t, url, brief), startNode(t, url, brief)
		ctx, q := t.Context(), name("q")
		a.set(t, q, func(s *chat.QueueSettings) { s.ReopenWindow, s.Sticky = 60, 0 })
		ann, uma := agent(t, a, name("ann"), q), user(t, b, name("uma"))
		s := uma.open(q)
		uma.send(s.ID, "one")
		ann.grab(s.ID)
		_, err := b.Reopen(ctx, uma.Actor, s.ID)
		code(t, chat.CodeWrongState, err)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		for _, wrong := range []*party{ann, user(t, a, name("eve"))} {
			_, err = a.Reopen(ctx, wrong.Actor, s.ID)
			code(t, chat.CodeForbidden, err)
		}
		next := user(t, a, name("ben")).open(q)
		shelve(t, b, s.ID)

		t.Log("from the archive, through both nodes at one moment")
		var wg sync.WaitGroup
		for _, n := range []*Broker{a, b, a, b} {
			wg.Go(func() {
				got, err := n.Reopen(ctx, uma.Actor, s.ID)
				if err != nil || got.State != chat.Waiting || got.Agent != nil || got.Ended != nil {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		uma.await("message", what("reopened"))
		st, err := b.sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		require.EqualValues(t, 5, st.Seq, "opened, one, grabbed, ended, reopened once")
		line, err := b.waiting.First(ctx, q, 9)
		require.NoError(t, err)
		require.Equal(t, []string{next.ID, s.ID}, line, "it does not pass who waits already")
		uma.send(s.ID, "two")
		_, err = a.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Body: []byte(`"x"`)})
		code(t, chat.CodeForbidden, err)
		clean(t, a)
		require.EqualValues(t, 2, ann.grab(s.ID).Unread)
		clean(t, a)

		t.Log("the one that is open in the queue is the answer; past the window it is too late")
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		other := uma.open(q)
		got, err := b.Reopen(ctx, uma.Actor, s.ID)
		require.NoError(t, err)
		require.Equal(t, other.ID, got.ID)
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: other.ID})
		require.NoError(t, err)
		b.set(t, q, func(s *chat.QueueSettings) { s.ReopenWindow = 0 })
		_, err = b.Reopen(ctx, uma.Actor, s.ID)
		code(t, chat.CodeTooLate, err)
		_, err = b.Reopen(ctx, uma.Actor, "nope")
		code(t, chat.CodeNotFound, err)
		clean(t, a)
	})
}

// A chat nobody can accept, move or close (Rocket.Chat #18200, #18041): any
// session, in any state, can be moved, taken over or ended by a supervisor.
func TestAnySessionCanBeMovedAndEndedByASupervisor(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(o *Options) { o.NoArchiver = true })
	boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue"), Capacity: 100}, "")
	ctx := t.Context()
	for _, state := range []chat.State{chat.Waiting, chat.Serving, chat.Transferring, chat.Ending} {
		t.Run(string(state), func(t *testing.T) {
			g := newStage(t, b, state)
			s, err := b.Transfer(ctx, boss.Actor, chat.TransferRequest{Session: g.session, Queue: g.q2})
			require.NoError(t, err)
			require.Equal(t, []any{chat.Waiting, g.q2}, []any{s.State, s.Queue})
			g.sound()

			g = newStage(t, b, state)
			s, err = b.TakeOver(ctx, boss.Actor, g.session)
			require.NoError(t, err)
			require.Equal(t, []any{chat.Serving, boss.ID}, []any{s.State, s.Agent.ID})
			g.sound()
			before := g.everything()
			_, err = b.TakeOver(ctx, boss.Actor, g.session)
			require.NoError(t, err)
			before["session"].(map[string]string)["agent_res"] = g.everything()["session"].(map[string]string)["agent_res"]
			require.Equal(t, before, g.everything(), "again")

			g = newStage(t, b, state)
			s, err = b.End(ctx, boss.Actor, chat.EndRequest{Session: g.session})
			require.NoError(t, err)
			require.Equal(t, chat.Ended, s.State)
			_, err = b.TakeOver(ctx, boss.Actor, g.session)
			code(t, chat.CodeEnded, err)
			_, err = b.Transfer(ctx, boss.Actor, chat.TransferRequest{Session: g.session, Queue: g.q2})
			code(t, chat.CodeEnded, err)
			g.sound()
		})
	}
	clean(t, b)
}

// Of supervisors who take one session over at once, the last has it, and no
// place stays held for the others; one without room gets nothing.
func TestTakeOverRace(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		ctx, q := t.Context(), name("q")
		ann := agent(t, nodes[0], name("ann"), q)
		s := user(t, nodes[1], name("uma")).open(q)
		ann.grab(s.ID)
		var wg sync.WaitGroup
		bosses := make([]*party, 8)
		for i := range bosses {
			bosses[i] = connect(t, nodes[i%2], chat.Identity{Role: chat.RoleSupervisor, ID: name("sue"), Capacity: 1}, "")
		}
		for i, p := range bosses {
			wg.Go(func() {
				if _, err := nodes[i%2].TakeOver(ctx, p.Actor, s.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		clean(t, nodes[0])
		st, err := nodes[0].sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		require.Len(t, st.Counts, 2, "the user and one owner")
		for i, p := range bosses {
			other := user(t, nodes[1], name("uma")).open(q)
			_, err := nodes[i%2].TakeOver(ctx, p.Actor, other.ID)
			if p.ID == st.Agent.ID {
				code(t, chat.CodeFull, err)
			} else {
				require.NoError(t, err)
			}
		}
		_, err = nodes[0].TakeOver(ctx, ann.Actor, s.ID)
		code(t, chat.CodeForbidden, err)
		clean(t, nodes[0])
	})
}
