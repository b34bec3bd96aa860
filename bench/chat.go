package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
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
	Replicas int     `help:"Replicas of Redis; a message is acknowledged when all have it."`
	Webhook  string  `enum:",answers,hangs" default:"" help:"Deliver webhooks to an endpoint in this process that answers at once, or never."`
}

// chatRound is what one round measured.
type chatRound struct {
	RedisFloor float64 // CPU-µs for each script
	EchoFloor  float64 // CPU-µs for each message
	Rate       float64
	Redis      float64 // CPU-µs for each message
	Server     float64 // CPU-µs for each message
	AckP50     float64
	AckP99     float64
	SeenP50    float64
	SeenP99    float64
	RSS        float64 // bytes
}

type chatReport struct {
	Command chatCommand
	Rounds  []chatRound
}

// measure measures floors and chat in turn.
func (c *chatCommand) measure(ctx context.Context) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	hook := newHookEnd(c.Webhook)
	defer hook.stop()
	bed, err := newReplicatedBed(ctx, c.Replicas, append(hook.args(), "--send-rate", strconv.FormatFloat(c.SendRate, 'f', -1, 64),
		"--wait-replicas", strconv.Itoa(c.Replicas))...)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	crowd, err := c.gather(ctx, bed.server)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	r := &chatReport{Command: *c}
	for range c.Rounds {
		var x chatRound
		if x.RedisFloor, err = redisFloor(ctx, bed.redis, bed.rdb, c.Messages); err != nil {
			return nil, err
		}
		if x.EchoFloor, err = echoFloor(ctx, self, c.Sessions+c.Agents, c.InFlight, c.Messages); err != nil {
			return nil, err
		}
		if err := crowd.talk(ctx, c, bed, &x); err != nil {
			return nil, err
		}
		r.Rounds = append(r.Rounds, x)
	}
	return r, hook.drained(ctx, crowd.events(c))
}

// events is how many a webhook is told of: opened and grabbed, and each message.
func (cr *crowd) events(c *chatCommand) int64 {
	return int64(2*c.Sessions + c.Rounds*c.Messages)
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

func (c *chatCommand) gather(ctx context.Context, servers ...*proc) (*crowd, error) {
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
		a, err := dial(ctx, servers[(i+1)%len(servers)], client.TokenRequest{Role: "agent", ID: id("agent-", i), Name: id("Agent ", i),
			Capacity: c.Sessions/c.Agents + 1}, on)
		if err != nil {
			return nil, err
		}
		agents[i] = a
	}
	cr.all = append(cr.all, agents...)
	for i := range c.Sessions {
		u, err := dial(ctx, servers[i%len(servers)], client.TokenRequest{Role: "user", ID: id("user-", i), Name: id("User ", i)}, on)
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
func (cr *crowd) talk(ctx context.Context, c *chatCommand, bed *bed, x *chatRound) error {
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
	redisCPU, serverCPU, began := bed.redis.cpu(), bed.serverCPU(), time.Now()
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
	x.Redis, x.Server = (bed.redis.cpu()-redisCPU)/n, (bed.serverCPU()-serverCPU)/n
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
