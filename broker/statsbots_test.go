package broker

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// earlier makes everything that has happened to a session so many seconds older.
func earlier(t testing.TB, b *Broker, session string, seconds int64) {
	t.Helper()
	p, _ := b.store.Of(session)
	for _, field := range []string{"created", "reopened", "awaited", "waiting_since", "owned", "ended"} {
		if n, err := b.store.Redis.HGet(t.Context(), p.Session(session), field).Int64(); err == nil {
			require.NoError(t, b.store.Redis.HSet(t.Context(), p.Session(session), field, n-1000*seconds).Err())
		}
	}
}

// course is one session's, step by step, with time between the steps.
type course struct {
	t        *testing.T
	b        *Broker
	q        string
	s        chat.Session
	uma      *party
	ann, bea *party
	bot      *party
	sue      chat.Actor
}

func newCourse(t *testing.T, b *Broker) *course {
	c := &course{t: t, b: b, q: name("q")}
	c.uma = user(t, b, name("uma"))
	c.ann, c.bea = agent(t, b, name("ann"), c.q), agent(t, b, name("bea"), c.q)
	c.bot = connect(t, b, chat.Identity{Role: chat.RoleBot, ID: name("bot"), Queues: []string{c.q}, Capacity: 9}, "")
	c.sue = connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue"), Queues: []string{c.q}, Capacity: 9}, "").Actor
	c.s = c.uma.open(c.q)
	return c
}

func (c *course) must(_ any, err error) *course {
	c.t.Helper()
	require.NoError(c.t, err)
	return c
}

func (c *course) wait(seconds int64) *course { earlier(c.t, c.b, c.s.ID, seconds); return c }
func (c *course) grab(p *party) *course      { return c.must(c.b.Grab(c.t.Context(), p.Actor, c.s.ID)) }
func (c *course) say(p *party) *course       { p.send(c.s.ID, "hi"); return c }
func (c *course) end() *course {
	return c.must(c.b.End(c.t.Context(), host, chat.EndRequest{Session: c.s.ID}))
}
func (c *course) reopen() *course { return c.must(c.b.Reopen(c.t.Context(), c.uma.Actor, c.s.ID)) }

func (c *course) host(as chat.Role) *course {
	return c.must(c.b.Send(c.t.Context(), host, chat.SendRequest{Session: c.s.ID, Body: []byte(`"auto"`), As: as}))
}

func (c *course) note(p *party) *course {
	return c.must(c.b.Send(c.t.Context(), p.Actor, chat.SendRequest{Session: c.s.ID, Type: chat.TypeNote, Body: []byte(`"psst"`)}))
}

func (c *course) requeue(p *party) *course {
	return c.must(c.b.Transfer(c.t.Context(), p.Actor, chat.TransferRequest{Session: c.s.ID, Queue: c.q}))
}

func (c *course) hand(from, to *party) *course {
	c.must(c.b.Transfer(c.t.Context(), from.Actor, chat.TransferRequest{Session: c.s.ID, Agent: to.ID}))
	return c.must(c.b.Accept(c.t.Context(), to.Actor, c.s.ID))
}

func (c *course) lose(p *party) *course {
	return c.must(nil, c.b.vacate(c.t.Context(), p.ID, c.s.ID, "agent-gone"))
}

// First responses are counted from the last opening, or from where a bot handed over
// to people, and bots' apart.
func TestStatsFirstResponses(t *testing.T) {
	url := testenv.Redis(t).URL() // of its own: sessions' times are changed behind the lists
	for what, c := range map[string]struct {
		run          func(c *course)
		people, bots []float64 // seconds, together
	}{
		"plain":          {func(c *course) { c.wait(5).grab(c.ann).wait(5).say(c.ann).wait(5).say(c.ann) }, []float64{10}, nil},
		"a note is none": {func(c *course) { c.grab(c.ann).wait(5).note(c.ann).wait(5).say(c.ann) }, []float64{10}, nil},
		"reopened": {func(c *course) {
			c.grab(c.ann).wait(5).say(c.ann).end().wait(3000).reopen().wait(7).grab(c.bea).say(c.bea)
		}, []float64{5, 7}, nil},
		"reopened unanswered": {func(c *course) { c.end().wait(3000).reopen().wait(7).grab(c.bea).say(c.bea) }, []float64{7}, nil},
		"reopened twice": {func(c *course) {
			c.grab(c.ann).wait(1).say(c.ann).end().reopen().wait(40).grab(c.ann).say(c.ann).end().reopen().wait(90).grab(c.ann).say(c.ann)
		}, []float64{1, 40, 90}, nil},
		"bot alone": {func(c *course) { c.grab(c.bot).wait(2).say(c.bot).say(c.bot) }, nil, []float64{2}},
		"bot, then its queue": {func(c *course) {
			c.grab(c.bot).wait(2).say(c.bot).wait(100).requeue(c.bot).wait(9).grab(c.ann).say(c.ann)
		},
			[]float64{9}, []float64{2}},
		"bot, then an agent": {func(c *course) { c.grab(c.bot).wait(2).say(c.bot).wait(100).hand(c.bot, c.ann).wait(9).say(c.ann) }, []float64{9}, []float64{2}},
		"bot, taken over": {func(c *course) {
			c.grab(c.bot).wait(2).say(c.bot).wait(100).must(c.b.TakeOver(c.t.Context(), c.sue, c.s.ID))
			c.wait(9).must(c.b.Send(c.t.Context(), c.sue, chat.SendRequest{Session: c.s.ID, Body: []byte(`"me"`)}))
		}, []float64{9}, []float64{2}},
		"bot that was lost": {func(c *course) { c.grab(c.bot).wait(100).lose(c.bot).wait(9).grab(c.ann).say(c.ann) }, []float64{9}, nil},
		"silent bot":        {func(c *course) { c.grab(c.bot).wait(100).hand(c.bot, c.ann).wait(9).say(c.ann) }, []float64{9}, nil},
		"to a bot and back": {func(c *course) {
			c.grab(c.ann).wait(4).say(c.ann).hand(c.ann, c.bot).wait(100).hand(c.bot, c.bea).wait(6).say(c.bea)
		}, []float64{4, 6}, nil},
		"bot, reopened": {func(c *course) {
			c.grab(c.bot).wait(2).say(c.bot).end().wait(50).reopen().wait(3).grab(c.bot).say(c.bot)
		}, nil, []float64{2, 3}},
		"agents among them": {func(c *course) {
			c.grab(c.ann).wait(5).hand(c.ann, c.bea).wait(6).say(c.bea).wait(5).hand(c.bea, c.ann).wait(7).say(c.ann)
		}, []float64{11}, nil},
		"an agent that is lost": {func(c *course) { c.grab(c.ann).wait(5).lose(c.ann).wait(6).grab(c.bea).say(c.bea) }, []float64{11}, nil},
		"an assistant answers": {func(c *course) {
			c.grab(c.ann).wait(5).must(c.b.Join(c.t.Context(), c.bea.Actor, c.s.ID, false))
			c.say(c.bea).wait(5).say(c.ann)
		}, []float64{5}, nil},
		"the host's bot":    {func(c *course) { c.wait(3).host(chat.RoleBot).wait(4).host(chat.RoleBot).grab(c.ann).say(c.ann) }, []float64{7}, []float64{3}},
		"the host's system": {func(c *course) { c.wait(3).host(chat.RoleSystem).host(chat.RoleUser).wait(4).grab(c.ann).say(c.ann) }, []float64{7}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := startNode(t, url)
			k := newCourse(t, b)
			c.run(k)
			r := b.stats(t, chat.StatsRequest{Queue: k.q})
			requireTimes(t, c.people, r.Totals.FirstResponse)
			requireTimes(t, c.bots, r.Totals.Bots.FirstResponse)
			require.Zero(t, agentOf(r, k.bot.ID).FirstResponse.Count)
			require.Zero(t, agentOf(r, k.ann.ID).Bots.FirstResponse.Count)
		})
	}
}

func requireTimes(t *testing.T, want []float64, got chat.StatsTimes) {
	t.Helper()
	require.EqualValues(t, len(want), got.Count)
	if len(want) > 0 {
		sum := 0.0
		for _, s := range want {
			sum += s
		}
		require.Less(t, math.Abs(sum-*got.Mean*float64(len(want))), 3.0, "%v, not %v in all", *got.Mean*float64(len(want)), sum)
	}
}

// Time with a bot is a bot's, and so is what it grabbed.
func TestStatsOfBotsAreApart(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	c := newCourse(t, b)
	c.wait(1).grab(c.bot).wait(30).requeue(c.bot).wait(10).grab(c.ann).wait(60).hand(c.ann, c.bot).wait(20).end()
	r := b.stats(t, chat.StatsRequest{Queue: c.q})
	requireTimes(t, []float64{10}, r.Totals.WaitingTime)
	requireTimes(t, []float64{1}, r.Totals.Bots.WaitingTime)
	requireTimes(t, []float64{60}, r.Totals.Handling)
	requireTimes(t, []float64{50}, r.Totals.Bots.Handling)
	requireTimes(t, []float64{60}, agentOf(r, c.ann.ID).Handling)
	require.Zero(t, agentOf(r, c.bot.ID).Handling.Count)
	requireTimes(t, []float64{30, 20}, agentOf(r, c.bot.ID).Bots.Handling)
	require.EqualValues(t, 1, agentOf(r, c.bot.ID).Bots.WaitingTime.Count)
	require.Equal(t, r.Totals, queueOf(r, c.q).StatsCounts)
	last, err := b.store.Redis.HGet(context.Background(), b.store.Home(c.uma.ID).Profile("u:"+c.uma.ID), "last_agent").Result()
	require.Error(t, err, "a bot that accepted is nobody's last agent: %s", last)
}
