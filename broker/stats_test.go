package broker

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
	"bellhop/scripts"
)

func (b *Broker) stats(t testing.TB, r StatsRequest) StatsReply {
	t.Helper()
	reply, err := b.Stats(t.Context(), host, r)
	require.NoError(t, err)
	return reply
}

// rows of an answer by their ids.
func (r StatsReply) queue(id string) (out StatsQueue) {
	for _, q := range r.Queues {
		if q.Queue != nil && *q.Queue == id || q.Queue == nil && id == "" {
			return q
		}
	}
	return out
}

func (r StatsReply) agent(id string) (out StatsAgent) {
	for _, a := range r.Agents {
		if a.Agent == id {
			return a
		}
	}
	return out
}

// only leaves the counts, without times and occupancy.
func only(c StatsCounts) StatsCounts {
	c.WaitingTime, c.FirstResponse, c.Handling = StatsTimes{Count: c.WaitingTime.Count}, StatsTimes{Count: c.FirstResponse.Count}, StatsTimes{Count: c.Handling.Count}
	c.Bots = StatsBots{times(c.Bots.WaitingTime.Count), times(c.Bots.FirstResponse.Count), times(c.Bots.Handling.Count)}
	c.Occupancy, c.Ratings = nil, StatsRatings{}
	return c
}

func times(n int64) StatsTimes { return StatsTimes{Count: n} }

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
		r := a.stats(t, StatsRequest{Queue: q})
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
		require.Zero(t, a.stats(t, StatsRequest{Queue: q}).Totals.FirstResponse.Count)
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
		r = b.stats(t, StatsRequest{Queue: q})
		require.EqualValues(t, 0, r.Waiting)
		require.EqualValues(t, 1, r.Serving)
		require.EqualValues(t, 1, r.agent(bea.ID).Serving)
		require.Zero(t, r.agent(ann.ID).Serving)
		_, err = b.Transfer(ctx, bea.Actor, chat.TransferRequest{Session: s.ID, Queue: q2})
		require.NoError(t, err)
		require.EqualValues(t, 1, b.stats(t, StatsRequest{Queue: q2}).Waiting)
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
		p, _ := a.Of(gone.ID)
		require.NoError(t, a.Redis.HSet(ctx, p.Session(gone.ID), "abandon", 1, "waiting_since", 1).Err())
		require.NoError(t, a.fire(ctx, p, "abandon|"+gone.ID))

		r = b.stats(t, StatsRequest{Queue: q})
		require.Equal(t, StatsCounts{Opened: 3, Grabbed: 1, Accepted: 1, Transferred: 2, Ended: 2, Abandoned: 1, Unanswered: 2,
			WaitingTime: times(1), FirstResponse: times(1), Bots: StatsBots{FirstResponse: times(1)}}, only(r.Totals))
		require.Equal(t, r.Totals, r.queue(q).StatsCounts)
		require.Equal(t, StatsCounts{Grabbed: 1, Transferred: 1, WaitingTime: times(1), Handling: times(1)}, only(r.agent(ann.ID).StatsCounts))
		require.Equal(t, StatsCounts{Accepted: 1, Transferred: 1, FirstResponse: times(1), Handling: times(1)}, only(r.agent(bea.ID).StatsCounts))
		require.Len(t, r.Queues, 1)
		r = a.stats(t, StatsRequest{Queue: q2})
		require.Equal(t, StatsCounts{Grabbed: 2, Requeued: 1, Ended: 1, WaitingTime: times(2), Handling: times(1)}, only(r.Totals))
		require.Equal(t, StatsCounts{Grabbed: 2, Requeued: 1, Ended: 1, WaitingTime: times(2), Handling: times(2)}, only(r.agent(bea.ID).StatsCounts))
		r = a.stats(t, StatsRequest{Agent: bea.ID})
		require.Equal(t, StatsCounts{Grabbed: 2, Accepted: 1, Transferred: 1, Requeued: 1, Ended: 1, WaitingTime: times(2),
			FirstResponse: times(1), Handling: times(3)}, only(r.Totals))
		require.Len(t, r.Agents, 1)
		require.Len(t, r.Queues, 2)
		require.Zero(t, r.Serving)
	})
}

// libScript is a script made of the scripts' own parts.
func libScript(t testing.TB, keys, args, body string, libs ...string) *redis.Script {
	t.Helper()
	s, err := scripts.Compile("part", "-- part: of a test.\n-- KEYS: "+keys+"\n-- ARGV: "+args+"\n-- reply: 1\n-- holds: what the test says\n--#include "+
		strings.Join(libs, " ")+"\n"+body, scripts.Options{})
	require.NoError(t, err)
	return s.Script
}

// Percentiles are within what is promised of the exact ones, whatever the durations are like.
func TestStatsPercentiles(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	b := startNode(t, url)
	took := libScript(t, "stats", "queue, agent, times...",
		"tally(now(), queue, true)\nfor _, ms in ipairs(times) do took('w', agent, tonumber(ms)) end return 1", "time", "stats")
	for what, draw := range map[string]func(r *rand.Rand) float64{
		"even":      func(r *rand.Rand) float64 { return 1 + r.Float64()*600_000 },
		"any scale": func(r *rand.Rand) float64 { return math.Exp(r.Float64() * 20) },
		"two peaks": func(r *rand.Rand) float64 { return []float64{5000, 1_800_000}[r.IntN(2)] * (1 + r.Float64()/10) },
		"very few":  func(r *rand.Rand) float64 { return 1 + r.Float64()*3 },
	} {
		for _, n := range []int{1, 2, 7, 1000} {
			t.Run(fmt.Sprint(what, "/", n), func(t *testing.T) {
				rnd, q := rand.New(rand.NewPCG(uint64(n), 7)), name("q")
				var all []float64
				for range n {
					all = append(all, math.Floor(draw(rnd)))
				}
				// Spread over agents and partitions, as they are.
				for i, part := range b.Parts {
					args := []any{q, name("ann")}
					for j := i; j < n; j += len(b.Parts) {
						args = append(args, all[j])
					}
					require.NoError(t, took.Run(t.Context(), b.Redis, []string{part.Stats()}, args...).Err())
				}
				slices.Sort(all)
				got := b.stats(t, StatsRequest{Queue: q}).Totals.WaitingTime
				require.EqualValues(t, n, got.Count)
				sum := 0.0
				for _, v := range all {
					sum += v
				}
				require.InEpsilon(t, sum/float64(n)/1000, *got.Mean, 1e-9)
				for q, v := range map[float64]*float64{0.5: got.Median, 0.9: got.P90, 0.95: got.P95, 0.99: got.P99} {
					exact := all[int(q*float64(n-1))] / 1000
					require.InEpsilon(t, exact, *v, statsAccuracy+1e-9, "%v of %d", q, n)
				}
			})
		}
	}
}

// What a rating counts, as the transition that rates will call it.
func TestStatsRatings(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineEmbedded, testenv.EngineRedis} {
		b := startNode(t, testenv.Shared(t, e))
		g := newStage(t, b, chat.Serving)
		rate := libScript(t, "session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?", "a = JSON (op, session, score)",
			"rated(a.score) return 1", "counts")
		for _, score := range []int{5, 5, 2} {
			err := rate.Run(t.Context(), b.Redis, g.p.Transition(g.session), chat.Encode(map[string]any{"session": g.session, "op": g.op, "score": score})).Err()
			require.NoError(t, err)
		}
		r := b.stats(t, StatsRequest{Queue: g.q})
		require.EqualValues(t, 3, r.Totals.Ratings.Count)
		require.InDelta(t, 4, *r.Totals.Ratings.Mean, 1e-9)
		require.Equal(t, [5]int64{0, 1, 0, 0, 2}, r.agent(g.ann).Ratings.Scores)
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
	scan, err := b.scanStats(ctx, b.Home(eve.ID))
	require.NoError(t, err)
	rows := map[string]int64{}
	for _, h := range scan.hours {
		for w, sums := range h.rows {
			rows[w.queue] += sums["opened"] + sums["grabbed"]
		}
	}
	require.LessOrEqual(t, len(rows), 500+3)
	require.EqualValues(t, many-500+1, rows[""]) // and the opening of `served`
	require.EqualValues(t, 1, rows["set"])
	require.EqualValues(t, 1, rows["served"])
	r := b.stats(t, StatsRequest{})
	require.EqualValues(t, many+2, r.Totals.Opened)
	require.EqualValues(t, many-500+1, r.queue("").Opened)
}

// An answer names at most so many queues, the busiest.
func TestStatsRowsHaveAnEnd(t *testing.T) {
	r := StatsRequest{}
	span, err := r.span(time.Now())
	require.NoError(t, err)
	s := newStatsSums(r, span)
	for i := range maxStatsRows + 50 {
		s.add(span.from, statsRows{{strconv.Itoa(i), ""}: {"opened": int64(i + 1)}})
	}
	s.fold()
	reply := s.reply(nil, nil, nil)
	require.Len(t, reply.Queues, maxStatsRows+1)
	require.EqualValues(t, 50*51/2, reply.queue("").Opened)
	require.EqualValues(t, maxStatsRows+50, reply.queue(strconv.Itoa(maxStatsRows+49)).Opened)
}

// shift makes the statistics of a partition's Redis so many hours older.
func shift(t testing.TB, b *Broker, p store.Partition, hours int64) {
	t.Helper()
	all, err := b.Redis.HGetAll(t.Context(), p.Stats()).Result()
	require.NoError(t, err)
	for field, value := range all {
		hour, rest, _ := strings.Cut(field, "|")
		n, err := strconv.ParseInt(hour, 10, 64)
		if err != nil {
			continue
		}
		_, err = b.Redis.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			pipe.HDel(context.Background(), p.Stats(), field)
			pipe.HSet(context.Background(), p.Stats(), fmt.Sprintf("%d|%s", n-hours, rest), value)
			return nil
		})
		require.NoError(t, err)
	}
}

// Days begin where their zone says, and buckets without anything are there, too.
func TestStatsBuckets(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return v.UnixMilli()
	}
	for _, c := range []struct {
		since, until, bucket, zone string
		want                       []string
	}{
		{"2026-03-01T10:30:00Z", "2026-03-01T12:00:00Z", "hour", "", []string{"03-01T10", "03-01T11"}},
		{"2026-03-01T10:30:00Z", "2026-03-01T12:00:01Z", "", "Asia/Shanghai", []string{"03-01T10", "03-01T11", "03-01T12"}},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "day", "", []string{"03-01T00", "03-02T00"}},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "day", "Asia/Shanghai", []string{"02-28T16", "03-01T16", "03-02T16"}},
		{"2026-03-28T23:00:00Z", "2026-03-31T22:00:00Z", "day", "Europe/Berlin", []string{"03-28T23", "03-29T22", "03-30T22"}},
		{"2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z", "week", "UTC", []string{"02-23T00", "03-02T00", "03-09T00"}},
		{"2026-01-31T00:00:00Z", "2026-03-01T00:00:01Z", "month", "UTC", []string{"01-01T00", "02-01T00", "03-01T00"}},
	} {
		r := StatsRequest{Since: at(c.since), Until: at(c.until), Bucket: c.bucket, Zone: c.zone}
		span, err := r.span(time.Now())
		require.NoError(t, err)
		s := newStatsSums(r, span)
		for h := span.from; h < span.to; h++ {
			s.add(h, statsRows{{"q", ""}: {"opened": 1}})
		}
		s.add(span.from-1, statsRows{{"q", ""}: {"opened": 1000}})
		s.add(span.to, statsRows{{"q", ""}: {"opened": 1000}})
		reply := s.reply(nil, nil, nil)
		var got []string
		sum := int64(0)
		for _, b := range reply.Buckets {
			got = append(got, b.Start.UTC().Format("01-02T15"))
			sum += b.Opened
		}
		require.Equal(t, c.want, got, "%+v", c)
		require.Equal(t, span.to-span.from, sum)
		require.Equal(t, sum, reply.Totals.Opened)
	}
}

func TestStatsRefusals(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded))
	now := time.Now().UnixMilli()
	for what, r := range map[string]StatsRequest{
		"bucket": {Bucket: "year"}, "no such zone": {Zone: "Mars/Phobos"}, "a path": {Zone: "../etc/passwd"}, "the machine's zone": {Zone: "Local"},
		"backwards": {Since: now, Until: now - 1}, "nothing": {Since: now, Until: now}, "before 1970": {Since: -1},
		"too long": {Since: now - 401*24*hourMS, Until: now, Bucket: "day"}, "too many": {Since: now - 1000*hourMS, Until: now},
		"queue": {Queue: "a\x00b"}, "agent": {Agent: strings.Repeat("x", 65)},
	} {
		_, err := b.Stats(t.Context(), host, r)
		code(t, chat.CodeBadRequest, err)
		require.NotEmpty(t, chat.AsError(err).Message, what)
	}
	for _, a := range []chat.Actor{user(t, b, name("uma")).Actor, agent(t, b, name("ann")).Actor, {Host: true, Identity: chat.Identity{Role: chat.RoleAgent, ID: "ann"}}} {
		_, err := b.Stats(t.Context(), a, StatsRequest{})
		code(t, chat.CodeForbidden, err)
	}
	_, err := b.Stats(t.Context(), chat.Actor{Identity: chat.Identity{Role: chat.RoleSupervisor, ID: "sue"}}, StatsRequest{Since: now - 399*24*hourMS, Until: now, Bucket: "week"})
	require.NoError(t, err)
}
