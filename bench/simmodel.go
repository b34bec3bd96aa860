package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// prices are what things cost, as they were measured: µs, unless said otherwise.
type prices struct {
	Message, ServerMessage float64 // of Redis and of a node, a message
	Life, ServerLife       float64 // a session's, from open to end
	Partition              float64 // of Redis, each second, whatever happens
	Connect, ServerConnect float64 // a connection's registering
	Return, ServerReturn   float64 // a client who comes back and reads what it missed
	ConnectionKB           float64 // of a node's memory
	SessionKB              float64 // of Redis's, with 50 messages
	Archived               float64 // messages a second that one archiver writes
}

// pricesOf takes what the simulation needs from what was measured.
func pricesOf(d *document) (p prices, err error) {
	for _, x := range []struct {
		to             *float64
		scenario, name string
	}{
		{&p.Message, "chat", "Redis a message"}, {&p.ServerMessage, "chat", "server a message"},
		{&p.Life, "life", "all: Redis"}, {&p.ServerLife, "life", "all: server"}, {&p.Partition, "rest", "Redis a partition"},
		{&p.Connect, "idle", "Redis a connection"}, {&p.ServerConnect, "idle", "server a connection"},
		{&p.Return, "storm", "Redis a client"}, {&p.ServerReturn, "storm", "server a client"},
		{&p.ConnectionKB, "idle", "memory a connection, all told"}, {&p.SessionKB, "memory", "Redis a session"},
		{&p.Archived, "archive sqlite", "archiver"},
	} {
		v, ok := d.get(x.scenario, x.name)
		if !ok || v <= 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return p, fmt.Errorf("%s: %q was not measured", x.scenario, x.name)
		}
		*x.to = v
	}
	return p, nil
}

// demand is what a deployment has to carry.
type demand struct {
	Connections int           `default:"1000000" help:"Connections at once."`
	Sessions    int           `default:"200000" help:"Open sessions, in which messages are sent."`
	Messages    float64       `default:"100000" help:"Messages a second."`
	Opens       float64       `default:"1000" help:"Sessions opened, grabbed and ended a second."`
	Comings     float64       `default:"2000" help:"Connections that come a second."`
	Skew        float64       `default:"0.5" help:"How unlike users are: the n-th busiest sends as much as n to the power of minus this; 0: all alike."`
	Partitions  int           `default:"64" help:"Partitions."`
	Failover    time.Duration `default:"15s" help:"How long a lost master's partitions are away."`
}

// check refuses what cannot be simulated.
func (d demand) check() error {
	switch {
	case d.Partitions < 1 || d.Partitions > 16384:
		return fmt.Errorf("--partitions: 1 to 16384, not %d", d.Partitions)
	case d.Sessions < 1 || d.Connections < 0 || d.Sessions > 10_000_000:
		return fmt.Errorf("--sessions: 1 to 10,000,000, and --connections not below 0")
	case !(d.Messages > 0) || d.Opens < 0 || d.Comings < 0 || !(d.Skew >= 0) || d.Skew > 5 || d.Failover < 0:
		return fmt.Errorf("--messages above 0, --opens, --comings and --failover not below, --skew from 0 to 5")
	}
	return nil
}

// master is one of Redis's: what its partitions have of all there is.
type master struct {
	partitions int
	messages   float64 // share of them
	sessions   float64 // share of sessions, and of all that goes by their number
}

// spread hashes users to partitions, and partitions, in equal ranges, to masters.
func (d demand) spread(masters int, seed uint64) []master {
	out := make([]master, masters)
	for p := range d.Partitions {
		out[p*masters/d.Partitions].partitions++
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	sum := 0.0
	for rank := range d.Sessions {
		weight := math.Pow(float64(rank+1), -d.Skew)
		m := &out[rng.IntN(d.Partitions)*masters/d.Partitions]
		m.messages += weight
		m.sessions++
		sum += weight
	}
	for i := range out {
		out[i].messages /= sum
		out[i].sessions /= float64(d.Sessions)
	}
	return out
}

// work is one kind of what a master does.
type work struct {
	rate, cost float64 // a second; µs
	message    bool
}

// works are what a master has to do. A session's life and a return are several scripts; they come one by one.
func (m master) works(d demand, p prices) []work {
	const scripts, perReturn = 6, 4
	return []work{
		{m.messages * d.Messages, p.Message, true},
		{scripts * m.sessions * d.Opens, p.Life / scripts, false},
		{perReturn * m.sessions * d.Comings, p.Return / perReturn, false},
		{float64(m.partitions), p.Partition, false},
	}
}

// utilisation is what of its one thread's time a master needs.
func utilisation(ws []work) (rho float64) {
	for _, w := range ws {
		rho += w.rate * w.cost / 1e6
	}
	return rho
}

// queue is one server, first come, first served: Lindley's recursion over arrivals by chance (Poisson). That is an
// M/G/1 queue, simulated event by event. A cost is half fixed and half by chance (exponential).
type queue struct {
	rng  *rand.Rand
	wait float64 // µs of work that is there before the next who comes
	now  float64 // µs
}

// arrive lets one come after a pause, and gives how long it waits, before its own cost is added.
func (q *queue) arrive(pause, cost float64) float64 {
	q.now += pause
	q.wait = max(0, q.wait-pause)
	waited := q.wait
	q.wait += cost
	return waited
}

func (q *queue) cost(mean float64) float64 { return mean/2 + q.rng.ExpFloat64()*mean/2 }

// passage is what a master's messages went through.
type passage struct {
	in, out int
	waits   *hdrhistogram.Histogram // µs, until a message is carried out
	worked  float64                 // s after the loss until nothing more waits; +Inf: never within the window
	backlog int                     // messages that had waited for the master
}

// run simulates a master for some seconds. With a loss it is away for that long at first, and its herd comes with its return.
func run(ws []work, seconds float64, away, herd float64, seed uint64) passage {
	q := &queue{rng: rand.New(rand.NewPCG(seed, 2)), wait: away*1e6 + herd}
	p := passage{waits: hdrhistogram.New(1, time.Hour.Microseconds(), 3), worked: math.Inf(1)}
	rate := 0.0
	for _, w := range ws {
		rate += w.rate
	}
	if rate == 0 {
		return p
	}
	done := []float64{} // when each message that came is carried out
	for {
		pause := q.rng.ExpFloat64() / rate * 1e6
		if q.now+pause > seconds*1e6 {
			break
		}
		pick, w := q.rng.Float64()*rate, ws[0]
		for _, w = range ws {
			if pick -= w.rate; pick < 0 {
				break
			}
		}
		cost := q.cost(w.cost)
		waited := q.arrive(pause, cost)
		if waited < 1000 && math.IsInf(p.worked, 1) {
			p.worked = q.now / 1e6
		}
		if !w.message {
			continue
		}
		p.in++
		if q.now < away*1e6 {
			p.backlog++
		}
		_ = p.waits.RecordValue(int64(waited + cost))
		done = append(done, q.now+waited+cost)
	}
	slices.Sort(done)
	p.out = len(done)
	return p
}
