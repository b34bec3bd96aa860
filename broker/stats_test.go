package broker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func (b *Broker) stats(t testing.TB, r chat.StatsRequest) chat.StatsReply {
	t.Helper()
	reply, err := b.Stats(t.Context(), host, r)
	require.NoError(t, err)
	return reply
}

// rows of an answer by their ids.
func queueOf(r chat.StatsReply, id string) (out chat.StatsQueue) {
	for _, q := range r.Queues {
		if q.Queue != nil && *q.Queue == id || q.Queue == nil && id == "" {
			return q
		}
	}
	return out
}

func agentOf(r chat.StatsReply, id string) (out chat.StatsAgent) {
	for _, a := range r.Agents {
		if a.Agent == id {
			return a
		}
	}
	return out
}

// only leaves the counts, without times and occupancy.
func only(c chat.StatsCounts) chat.StatsCounts {
	c.WaitingTime, c.FirstResponse, c.Handling = chat.StatsTimes{Count: c.WaitingTime.Count}, chat.StatsTimes{Count: c.FirstResponse.Count}, chat.StatsTimes{Count: c.Handling.Count}
	c.Bots = chat.StatsBots{WaitingTime: times(c.Bots.WaitingTime.Count), FirstResponse: times(c.Bots.FirstResponse.Count), Handling: times(c.Bots.Handling.Count)}
	c.Occupancy, c.Ratings = nil, chat.StatsRatings{}
	return c
}

func times(n int64) chat.StatsTimes { return chat.StatsTimes{Count: n} }

// Every rule, over two nodes, in one session's long life and those of a few others.
func TestStatsCountEveryTransition(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q, q2 := t.Context(), name("q"), name("q")
		ann, bea := agent(t, a, name("ann"), q), agent(t, b, name("bea"), q, q2)
		uma := user(t, b, name("uma"))
		s := uma.open(q)
		uma.open(q) // has one
		uma.send(s.ID, "hello?")
		_, err := b.Send(ctx, chat.Actor{Host: true}, chat.SendRequest{Session: s.ID, Body: []byte(`"soon"`), As: chat.RoleBot})
		require.NoError(t, err)
		r := a.stats(t, chat.StatsRequest{Queue: q})
		require.EqualValues(t, 1, r.Waiting)
		require.EqualValues(t, 0, r.Serving)
		ann.grab(s.ID)
		ann.grab(s.ID) // has it
		_, err = b.Grab(ctx, bea.Actor, s.ID)
		code(t, chat.CodeTaken, err)
		note := func(p *party) {
			_, err := p.b.Send(ctx, p.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeNote, Body: []byte(`"psst"`)})
			require.NoError(t, err)
		}
		note(ann) // the user does not hear it
		require.Zero(t, a.stats(t, chat.StatsRequest{Queue: q}).Totals.FirstResponse.Count)
		_, err = a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		_, err = b.Decline(ctx, bea.Actor, s.ID, "")
		require.NoError(t, err)
		_, err = a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		for range 2 {
			_, err = b.Accept(ctx, bea.Actor, s.ID)
			require.NoError(t, err)
		}
		bea.send(s.ID, "here I am")
		bea.send(s.ID, "still")
		r = b.stats(t, chat.StatsRequest{Queue: q})
		require.EqualValues(t, 0, r.Waiting)
		require.EqualValues(t, 1, r.Serving)
		require.EqualValues(t, 1, agentOf(r, bea.ID).Serving)
		require.Zero(t, agentOf(r, ann.ID).Serving)
		_, err = b.Transfer(ctx, bea.Actor, chat.TransferRequest{Session: s.ID, Queue: q2})
		require.NoError(t, err)
		require.EqualValues(t, 1, b.stats(t, chat.StatsRequest{Queue: q2}).Waiting)
		bea.grab(s.ID)
		bea.send(s.ID, "again")
		require.NoError(t, b.vacate(ctx, bea.ID, s.ID, "agent-gone")) // as for an agent who is gone
		bea.grab(s.ID)
		_, err = b.End(ctx, bea.Actor, chat.EndRequest{Session: s.ID}) // asks only
		require.NoError(t, err)
		uma.send(s.ID, "wait") // and is taken back
		for range 2 {
			_, err = b.End(ctx, bea.Actor, chat.EndRequest{Session: s.ID, Force: true})
			require.NoError(t, err)
		}
		left := user(t, a, name("lea")).open(q)
		_, err = a.End(ctx, host, chat.EndRequest{Session: left.ID, Reason: "abandoned"}) // says its user, who did not
		require.NoError(t, err)
		gone, err := a.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("gus")}, Queue: q})
		require.NoError(t, err)
		p, _ := a.store.Of(gone.ID)
		require.NoError(t, a.store.Redis.HSet(ctx, p.Session(gone.ID), "abandon", 1, "waiting_since", 1).Err())
		require.NoError(t, a.fire(ctx, p, "abandon|"+gone.ID))

		r = b.stats(t, chat.StatsRequest{Queue: q})
		require.Equal(t, chat.StatsCounts{Opened: 3, Grabbed: 1, Accepted: 1, Transferred: 2, Ended: 2, Abandoned: 1, Unanswered: 2,
			WaitingTime: times(1), FirstResponse: times(1), Bots: chat.StatsBots{FirstResponse: times(1)}}, only(r.Totals))
		require.Equal(t, r.Totals, queueOf(r, q).StatsCounts)
		require.Equal(t, chat.StatsCounts{Grabbed: 1, Transferred: 1, WaitingTime: times(1), Handling: times(1)}, only(agentOf(r, ann.ID).StatsCounts))
		require.Equal(t, chat.StatsCounts{Accepted: 1, Transferred: 1, FirstResponse: times(1), Handling: times(1)}, only(agentOf(r, bea.ID).StatsCounts))
		require.Len(t, r.Queues, 1)
		r = a.stats(t, chat.StatsRequest{Queue: q2})
		require.Equal(t, chat.StatsCounts{Grabbed: 2, Requeued: 1, Ended: 1, WaitingTime: times(2), Handling: times(1)}, only(r.Totals))
		require.Equal(t, chat.StatsCounts{Grabbed: 2, Requeued: 1, Ended: 1, WaitingTime: times(2), Handling: times(2)}, only(agentOf(r, bea.ID).StatsCounts))
		r = a.stats(t, chat.StatsRequest{Agent: bea.ID})
		require.Equal(t, chat.StatsCounts{Grabbed: 2, Accepted: 1, Transferred: 1, Requeued: 1, Ended: 1, WaitingTime: times(2),
			FirstResponse: times(1), Handling: times(3)}, only(r.Totals))
		require.Len(t, r.Agents, 1)
		require.Len(t, r.Queues, 2)
		require.Zero(t, r.Serving)
	})
}

// What a rating counts, as the transition that rates will call it.
func TestStatsRatings(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineEmbedded, testenv.EngineRedis} {
		b := startNode(t, testenv.Shared(t, e))
		g := newStage(t, b, chat.Serving)
		rate := storetest.Script(t, "session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?", "a = JSON (op, session, score)",
			"rated(a.score) return 1", "counts")
		for _, score := range []int{5, 5, 2} {
			err := rate.Run(t.Context(), b.store.Redis, g.p.Transition(g.session), chat.Encode(map[string]any{"session": g.session, "op": g.op, "score": score})).Err()
			require.NoError(t, err)
		}
		r := b.stats(t, chat.StatsRequest{Queue: g.q})
		require.EqualValues(t, 3, r.Totals.Ratings.Count)
		require.InDelta(t, 4, *r.Totals.Ratings.Mean, 1e-9)
		require.Equal(t, [5]int64{0, 1, 0, 0, 2}, agentOf(r, g.ann).Ratings.Scores)
	}
}

// Users name queues as they like: what they can make a partition keep has an end.
func TestStatsNamesHaveAnEnd(t *testing.T) {
	url := testenv.Redis(t).URL()
	b := startNode(t, url)
	ctx := t.Context()
	_, err := b.PutQueue(ctx, host, chat.QueueSettings{ID: "set", Routing: "grab"})
	require.NoError(t, err)
	const many = 700
	eve := chat.Person{ID: name("eve")} // in one partition
	open := func(q string) chat.Session {
		s, err := b.Open(ctx, host, chat.OpenRequest{User: eve, Queue: q})
		require.NoError(t, err)
		return s
	}
	for i := range many {
		open(fmt.Sprint("junk", i))
	}
	open("set")
	served := open("served")
	agent(t, b, name("ann"), "served").grab(served.ID)
	held, err := b.store.Redis.HGetAll(ctx, b.store.Home(eve.ID).Stats()).Result()
	require.NoError(t, err)
	rows := map[string]int64{}
	for field, value := range held { // hour|metric|queue, agent
		_, rest, _ := strings.Cut(field, "|")
		metric, who, _ := strings.Cut(rest, "|")
		queue, _, counted := strings.Cut(who, chat.SepField)
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && counted && !strings.HasPrefix(field, "now|") {
			rows[queue] += map[string]int64{"opened": n, "grabbed": n}[metric]
		}
	}
	require.LessOrEqual(t, len(rows), 500+3)
	require.EqualValues(t, many-500+1, rows[""]) // and the opening of `served`
	require.EqualValues(t, 1, rows["set"])
	require.EqualValues(t, 1, rows["served"])
	r := b.stats(t, chat.StatsRequest{})
	require.EqualValues(t, many+2, r.Totals.Opened)
	require.EqualValues(t, many-500+1, queueOf(r, "").Opened)
}

func TestWhoMayAskForStatistics(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded))
	now := time.Now().UnixMilli()
	for _, a := range []chat.Actor{user(t, b, name("uma")).Actor, agent(t, b, name("ann")).Actor, {Host: true, Identity: chat.Identity{Role: chat.RoleAgent, ID: "ann"}}} {
		_, err := b.Stats(t.Context(), a, chat.StatsRequest{})
		code(t, chat.CodeForbidden, err)
	}
	_, err := b.Stats(t.Context(), chat.Actor{Identity: chat.Identity{Role: chat.RoleSupervisor, ID: "sue"}}, chat.StatsRequest{Since: now - 399*24*hourMS, Until: now, Bucket: "week"})
	require.NoError(t, err)
	_, err = b.Stats(t.Context(), host, chat.StatsRequest{Bucket: "year"})
	code(t, chat.CodeBadRequest, err)
}
