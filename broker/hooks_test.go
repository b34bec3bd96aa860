package broker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/hooks"
	"bellhop/internal/testenv"
)

// Every message and every transition is told, in order, with an id of its own;
// notes are marked; what nobody hears is told, too.
func TestTheHookIsToldEverything(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		r := newReceiver(t)
		b := startNode(t, url, tellsTo(t, r))
		q, ctx := name("q"), t.Context()
		id := name("uma")
		uma, ann, bea := user(t, b, id), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		s := uma.open(q)
		r.await(s.ID, "session.opened")
		uma.send(s.ID, "hello")
		ann.grab(s.ID)
		r.await(s.ID, "session.grabbed")
		ann.send(s.ID, "heard: there is a connection")
		r.until("what is heard", func() bool { return len(of(r.taken, s.ID)) == 4 })
		uma.Conn.Close(ctx)
		lonely := ann.send(s.ID, "not heard")
		r.await(s.ID, "message.unheard")
		_, err := b.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeNote, Body: json.RawMessage(`"between us"`)})
		require.NoError(t, err)
		back := ann.send(s.ID, "a slip")
		r.until("the slip", func() bool { return len(of(r.taken, s.ID)) == 9 })
		require.NoError(t, b.Recall(ctx, ann.Actor, s.ID, back.Seq))
		_, err = b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		_, err = b.Accept(ctx, bea.Actor, s.ID)
		require.NoError(t, err)
		host := chat.Actor{Host: true}
		_, err = b.Send(ctx, host, chat.SendRequest{Session: s.ID, As: chat.RoleSystem, Body: json.RawMessage(`"we close soon"`), Key: "k"})
		require.NoError(t, err)
		r.until("the host's own", func() bool { return len(of(r.taken, s.ID)) == 14 })
		_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID, Reason: "enough"})
		require.NoError(t, err)

		all := r.await(s.ID, "session.ended")
		require.Equal(t, []string{"session.opened", "message.created", "session.grabbed", "message.created", "message.created", "message.unheard",
			"message.created", "message.created", "message.unheard", "message.recalled", "session.offered", "session.transferred",
			"message.created", "message.unheard", "session.ended"}, types(all))
		ids := map[string]bool{}
		for i, e := range all {
			require.False(t, ids[e.ID], "%s: %s twice", e.Type, e.ID)
			ids[e.ID] = true
			require.Equal(t, e.Data.Message.At.UnixMilli(), e.Timestamp.UnixMilli())
			require.Equal(t, e.Data.Message.Type == chat.TypeNote, e.Data.Internal, "%s %d", e.Type, i)
			require.Equal(t, id, e.Data.Session.User.ID)
		}
		require.Equal(t, chat.Waiting, all[0].Data.Session.State)
		require.JSONEq(t, `"hello"`, string(all[1].Data.Message.Body))
		require.Equal(t, ann.ID, all[2].Data.Session.Agent.ID)
		require.Equal(t, lonely.Mid, all[5].Data.Message.Mid)
		require.EqualValues(t, 2, all[5].Data.Session.Unread, "the user's, for a badge")
		require.Equal(t, chat.TypeNote, all[6].Data.Message.Type)
		require.Equal(t, back.Mid, all[9].Data.Recalled.Mid)
		require.True(t, all[9].Data.Recalled.Recalled)
		require.Empty(t, all[9].Data.Recalled.Body)
		require.Equal(t, bea.ID, all[11].Data.Session.Agent.ID)
		require.Equal(t, "k", all[12].Data.Message.Key, "the host's own")
		require.Equal(t, "enough", all[14].Data.Session.Reason)
		r.mu.Lock()
		require.Len(t, of(r.tried, s.ID), len(all), "each once")
		r.mu.Unlock()
		told := func() bool { // nothing is left to tell
			p, _ := b.store.Of(s.ID)
			return b.store.Redis.ZScore(ctx, p.Hooks(), s.ID).Err() != nil && b.store.Redis.ZScore(ctx, p.HooksLate(), s.ID).Err() != nil
		}
		require.Eventually(t, told, 5*time.Second, 10*time.Millisecond)
	})
}

// What a recall has taken back before it was told is told without its text.
func TestARecalledTextIsNotTold(t *testing.T) {
	r := newReceiver(t)
	r.answers(func(e told) int { // its text is not taken: not before the recall, nor on its way meanwhile
		if e.Type == "message.created" && !e.Data.Message.Recalled {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), tellsTo(t, r))
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	slip := uma.send(s.ID, "a slip")
	require.NoError(t, b.Recall(t.Context(), uma.Actor, s.ID, slip.Seq))
	all := r.await(s.ID, "message.recalled")
	require.Equal(t, []string{"session.opened", "message.created", "message.recalled"}, types(all))
	require.True(t, all[1].Data.Message.Recalled)
	require.Empty(t, all[1].Data.Message.Body)
}

// Two nodes, many sessions, a receiver that fails at random, now and then after
// it took what it was told: of each session one event is told at a time, in
// order; only what was taken and then failed comes again, with the same id.
func TestOrderOnTwoNodes(t *testing.T) {
	const messages = 20
	each := func(t *testing.T, url string, sessions int) {
		r := newReceiver(t)
		var mu sync.Mutex
		lied := map[string]int{} // taken, though the answer said no
		r.answers(func(e told) int {
			switch n := rand.IntN(20); {
			case n < 2:
				return http.StatusInternalServerError
			case n == 2:
				mu.Lock()
				lied[e.ID]++
				mu.Unlock()
				r.mu.Lock()
				r.taken = append(r.taken, e)
				r.mu.Unlock()
				return http.StatusBadGateway
			default:
				return http.StatusOK
			}
		})
		nodes := [2]*Broker{startNode(t, url, tellsTo(t, r)), startNode(t, url, tellsTo(t, r))}
		q := name("q")
		ids := make([]string, sessions)
		var wg sync.WaitGroup
		for i := range sessions {
			uma := user(t, nodes[i%2], name("uma"))
			ids[i] = uma.open(q).ID
			wg.Go(func() {
				for n := range messages {
					uma.b = nodes[n%2]
					_, err := uma.b.Send(t.Context(), chat.Actor{Identity: uma.Identity}, chat.SendRequest{Session: ids[i], Body: json.RawMessage(chat.Quote(fmt.Sprint(n)))})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		r.until("everything", func() bool {
			last := map[string]int64{}
			for _, e := range r.taken {
				last[e.Data.Session.ID] = max(last[e.Data.Session.ID], e.Data.Message.Seq)
			}
			for _, s := range ids {
				if last[s] < messages+1 {
					return false
				}
			}
			return true
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		for _, s := range ids {
			require.Equal(t, 1, r.most[s], "one event of a session at a time")
			next, again := int64(1), map[string]int{}
			for _, e := range of(r.taken, s) {
				if again[e.ID]++; again[e.ID] > 1 {
					require.LessOrEqual(t, again[e.ID]-1, lied[e.ID], "taken twice for nothing")
					require.Equal(t, next-1, e.Data.Message.Seq, "out of order")
					continue
				}
				require.Equal(t, next, e.Data.Message.Seq, "out of order")
				next++
			}
			require.EqualValues(t, messages+2, next)
		}
		for _, b := range nodes {
			require.Positive(t, b.HookStats().Delivered, "both nodes deliver")
		}
	}
	for e, sessions := range map[testenv.Engine]int{testenv.EngineEmbedded: 10, testenv.EngineRedis: 50, testenv.EngineCluster: 50} {
		t.Run(string(e), func(t *testing.T) { each(t, testenv.Shared(t, e), sessions) })
	}
}

// An endpoint that does not answer costs chat nothing: sends are as quick as
// with one that does, goroutines are bounded, logs are archived and trimmed;
// and when it answers again everything comes.
func TestAHangingHookDoesNotDelayChat(t *testing.T) {
	url := testenv.Redis(t).URL()
	r := newReceiver(t)
	b := startNode(t, url, tellsTo(t, r), soon, func(o *Options) { o.hookPatience = time.Second })
	release := make(chan struct{})
	answerAll := sync.OnceFunc(func() { close(release) })
	t.Cleanup(answerAll)
	hang := func(e told) int {
		select {
		case <-release:
		case <-e.cut:
		}
		return http.StatusServiceUnavailable
	}
	talk := func(who []*party, ids []string, n int) time.Duration {
		var all []time.Duration
		for i := range n {
			at := time.Now()
			who[i%len(who)].send(ids[i%len(ids)], "hello")
			all = append(all, time.Since(at))
		}
		return middle(all)
	}
	crowd := func() (who []*party, ids []string) {
		for range 100 {
			p := user(t, b, name("uma"))
			who, ids = append(who, p), append(ids, p.open(name("q")).ID)
		}
		return who, ids
	}
	well, wellIDs := crowd()
	hung, hungIDs := crowd()
	var ratios []float64
	for range 5 { // in turn, so that both see the same machine
		r.answers(nil)
		quick := talk(well, wellIDs, 200)
		r.answers(hang)
		slow := talk(hung, hungIDs, 200)
		ratios = append(ratios, float64(slow)/float64(quick))
	}
	r.until("as many attempts as there are places", func() bool {
		n := 0
		for _, k := range r.busy {
			n += k
		}
		return n == hooks.AtOnce
	})
	require.LessOrEqual(t, b.hooks.Telling(), hooks.AtOnce)
	t.Logf("send, hanging to answering endpoint: %.2f", middle(ratios))
	require.Less(t, middle(ratios), 1.5)

	for range 300 {
		hung[0].send(hungIDs[0], "more")
	}
	archived(t, b, hungIDs[0])
	p, _ := b.store.Of(hungIDs[0])
	require.LessOrEqual(t, b.store.Redis.XLen(t.Context(), p.Log(hungIDs[0])).Val(), int64(archiving.KeepLog), "what is not told is trimmed all the same")
	require.Eventually(t, func() bool {
		lag, err := b.HookLag(t.Context())
		return err == nil && lag.Sessions > 0 && lag.Seconds > 0
	}, 10*time.Second, 50*time.Millisecond)
	r.answers(nil)
	answerAll()
	r.until("everything", func() bool {
		mine := of(r.taken, hungIDs[0])
		return len(mine) > 0 && mine[len(mine)-1].Data.Message.Seq == 311
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[int64]bool{}
	for _, e := range of(r.taken, hungIDs[0]) {
		require.True(t, e.Data.Message.Seq == 1 || seen[e.Data.Message.Seq-1], "out of order")
		seen[e.Data.Message.Seq] = true
	}
}
