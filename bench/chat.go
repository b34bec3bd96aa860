package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"bellhop/client"
)

type chatCommand struct {
	Sessions int     `default:"1000" help:"Sessions, each a user and one of the agents."`
	Agents   int     `default:"100"`
	InFlight int     `default:"64" help:"Messages on their way at a time, over all sessions."`
	Messages int     `default:"60000" help:"Of each round."`
	SendRate float64 `default:"20" help:"The limit on a user's messages a second; 0: none. No user reaches it here."`
	Rounds   int     `default:"3" help:"Floors and chat in turn, this often; medians are shown."`
	Webhook  string  `enum:",answers,hangs" default:"" help:"Deliver webhooks to an endpoint in this process that answers at once, or never."`
}

// round is what one round measured.
type round struct {
	RedisFloor float64 `json:"redisFloorUs"` // CPU-µs for each script
	EchoFloor  float64 `json:"echoFloorUs"`  // CPU-µs for each message
	Rate       float64 `json:"messagesPerSecond"`
	Redis      float64 `json:"redisUs"`  // CPU-µs for each message
	Server     float64 `json:"serverUs"` // CPU-µs for each message
	AckP50     float64 `json:"ackP50ms"`
	AckP99     float64 `json:"ackP99ms"`
	SeenP50    float64 `json:"deliveredP50ms"`
	SeenP99    float64 `json:"deliveredP99ms"`
	RSS        float64 `json:"serverRSS"` // bytes
}

type chatReport struct {
	Command chatCommand `json:"command"`
	Rounds  []round     `json:"rounds"`
	Median  round       `json:"median"`
	// The ratios to what was measured in the same run.
	RedisRatio  float64 `json:"redisRatio"`
	ServerRatio float64 `json:"serverRatio"`
}

func (r *chatReport) table() string {
	var b strings.Builder
	line := func(name string, f func(round) float64, unit string) {
		fmt.Fprintf(&b, "%-32s", name)
		for _, x := range r.Rounds {
			fmt.Fprintf(&b, "%10.1f", f(x))
		}
		fmt.Fprintf(&b, "   median %.1f %s\n", f(r.Median), unit)
	}
	fmt.Fprintf(&b, "chat: %d sessions, %d agents, %d in flight, %d messages a round\n", r.Command.Sessions,
		r.Command.Agents, r.Command.InFlight, r.Command.Messages)
	line("messages a second", func(x round) float64 { return x.Rate }, "")
	line("acknowledged, p50", func(x round) float64 { return x.AckP50 }, "ms")
	line("acknowledged, p99", func(x round) float64 { return x.AckP99 }, "ms")
	line("delivered, p50", func(x round) float64 { return x.SeenP50 }, "ms")
	line("delivered, p99", func(x round) float64 { return x.SeenP99 }, "ms")
	line("Redis CPU a message", func(x round) float64 { return x.Redis }, "µs")
	line("  floor: script, 64 deep", func(x round) float64 { return x.RedisFloor }, "µs")
	line("server CPU a message", func(x round) float64 { return x.Server }, "µs")
	line("  floor: gws echo", func(x round) float64 { return x.EchoFloor }, "µs")
	line("server RSS", func(x round) float64 { return x.RSS / (1 << 20) }, "MiB")
	fmt.Fprintf(&b, "Redis %.2f × its floor, server %.2f × its floor\n", r.RedisRatio, r.ServerRatio)
	return b.String()
}

// Run measures floors and chat in turn.
func (c *chatCommand) Run(ctx context.Context, o *options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	hook := newHookEnd(c.Webhook)
	defer hook.stop()
	bed, err := newBed(ctx, append(hook.args(), "--send-rate", strconv.FormatFloat(c.SendRate, 'f', -1, 64))...)
	if err != nil {
		return err
	}
	defer bed.stop()
	crowd, err := c.gather(ctx, bed.server)
	if err != nil {
		return err
	}
	defer crowd.close()
	r := &chatReport{Command: *c}
	for range c.Rounds {
		var x round
		if x.RedisFloor, err = redisFloor(ctx, bed.redis, bed.rdb, c.Messages); err != nil {
			return err
		}
		if x.EchoFloor, err = echoFloor(ctx, self, c.Sessions+c.Agents, c.InFlight, c.Messages); err != nil {
			return err
		}
		if err := crowd.talk(ctx, c, bed, &x); err != nil {
			return err
		}
		r.Rounds = append(r.Rounds, x)
	}
	r.Median = medians(r.Rounds)
	r.RedisRatio, r.ServerRatio = r.Median.Redis/r.Median.RedisFloor, r.Median.Server/r.Median.EchoFloor
	if err := o.show(r); err != nil {
		return err
	}
	return hook.drained(ctx, crowd.events(c))
}

// events is how many a webhook is told of: opened and grabbed, and each message.
func (cr *crowd) events(c *chatCommand) int64 {
	return int64(2*c.Sessions + c.Rounds*c.Messages)
}

func medians(rounds []round) (m round) {
	pick := func(f func(*round) *float64) {
		var all []float64
		for i := range rounds {
			all = append(all, *f(&rounds[i]))
		}
		*f(&m) = median(all)
	}
	for _, f := range []func(*round) *float64{
		func(r *round) *float64 { return &r.RedisFloor }, func(r *round) *float64 { return &r.EchoFloor },
		func(r *round) *float64 { return &r.Rate }, func(r *round) *float64 { return &r.Redis },
		func(r *round) *float64 { return &r.Server }, func(r *round) *float64 { return &r.AckP50 },
		func(r *round) *float64 { return &r.AckP99 }, func(r *round) *float64 { return &r.SeenP50 },
		func(r *round) *float64 { return &r.SeenP99 }, func(r *round) *float64 { return &r.RSS }} {
		pick(f)
	}
	return m
}

func median(all []float64) float64 {
	sort.Float64s(all)
	return all[len(all)/2]
}

// crowd are the sessions and who talks in them.
type crowd struct {
	pairs []*pair
	all   []*client.Client
	seen  *timings
	due   atomic.Int64 // messages not delivered yet
	empty chan struct{}
}

// pair is one session: user and agent take turns.
type pair struct {
	session string
	sides   [2]*client.Client
	turn    int
	sent    atomic.Int64 // when, ns; one message of a session is on its way at a time
}

func (c *chatCommand) gather(ctx context.Context, server *proc) (*crowd, error) {
	cr := &crowd{seen: newTimings(), empty: make(chan struct{}, 1)}
	bySession := sync.Map{}
	on := func(e client.Event) {
		m, ok := e.(*client.MessageEvent)
		if !ok || m.Type != "text" {
			return
		}
		if p, ok := bySession.Load(m.Session); ok {
			cr.seen.record(time.Since(time.Unix(0, p.(*pair).sent.Load()))) //nolint:forcetypeassert // only these are stored
			if cr.due.Add(-1) == 0 {
				cr.empty <- struct{}{}
			}
		}
	}
	agents := make([]*client.Client, c.Agents)
	for i := range agents {
		a, err := dial(ctx, server, client.TokenRequest{Role: "agent", ID: id("agent-", i), Name: id("Agent ", i),
			Capacity: c.Sessions/c.Agents + 1}, on)
		if err != nil {
			return nil, err
		}
		agents[i] = a
	}
	cr.all = append(cr.all, agents...)
	for i := range c.Sessions {
		u, err := dial(ctx, server, client.TokenRequest{Role: "user", ID: id("user-", i), Name: id("User ", i)}, on)
		if err != nil {
			return nil, err
		}
		cr.all = append(cr.all, u)
		s, err := u.Open(ctx, client.OpenRequest{})
		if err != nil {
			return nil, err
		}
		a := agents[i%len(agents)]
		if _, err := a.Grab(ctx, s.ID); err != nil {
			return nil, err
		}
		p := &pair{session: s.ID, sides: [2]*client.Client{u, a}}
		cr.pairs = append(cr.pairs, p)
		bySession.Store(s.ID, p)
	}
	return cr, nil
}

func (cr *crowd) close() {
	for _, c := range cr.all {
		c.Close()
	}
}

// talk sends a round's messages, each in the next session, and waits until all are delivered.
func (cr *crowd) talk(ctx context.Context, c *chatCommand, bed *bed, x *round) error {
	acks := newTimings()
	cr.seen.reset()
	cr.due.Store(int64(c.Messages))
	work := make(chan *pair, len(cr.pairs))
	for _, p := range cr.pairs {
		work <- p
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, c.InFlight)
	redisCPU, serverCPU, began := bed.redis.cpu(), bed.server.cpu(), time.Now()
	for range c.InFlight {
		wg.Go(func() {
			for next.Add(1) <= int64(c.Messages) {
				p := <-work
				at := time.Now()
				p.sent.Store(at.UnixNano())
				if _, err := p.sides[p.turn%2].SendText(ctx, p.session, "hello, hello"); err != nil {
					failed <- err
					return
				}
				acks.record(time.Since(at))
				p.turn++
				work <- p
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	case <-cr.empty:
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%d messages were acknowledged but not delivered", cr.due.Load())
	}
	n := float64(c.Messages)
	x.Rate = n / time.Since(began).Seconds()
	x.Redis, x.Server = (bed.redis.cpu()-redisCPU)/n, (bed.server.cpu()-serverCPU)/n
	x.AckP50, x.AckP99 = acks.at(50), acks.at(99)
	x.SeenP50, x.SeenP99 = cr.seen.at(50), cr.seen.at(99)
	x.RSS = bed.server.rss()
	return nil
}

// timings is a histogram of durations that many record into.
type timings struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newTimings() *timings {
	return &timings{h: hdrhistogram.New(1, time.Minute.Microseconds(), 3)}
}

func (t *timings) record(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.h.RecordValue(d.Microseconds()) // beyond a minute: not a latency any more
}

func (t *timings) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.Reset()
}

// at is a percentile in ms.
func (t *timings) at(p float64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.h.ValueAtQuantile(p)) / 1000
}
