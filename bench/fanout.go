package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type fanoutCommand struct {
	Assistants int `default:"50" help:"Agents who have joined the one session, beside its owner."`
	Messages   int `default:"5000" help:"That the user sends in a round."`
	InFlight   int `default:"8" help:"Of them on their way at a time."`
	Rounds     int `default:"3" help:"Rounds; the medians count."`
}

type fanoutRound struct {
	Rate, Redis, Server  float64 // of deliveries: a second, and µs each
	P50, P99, Last, Echo float64 // ms to any, ms at p99 to the last of all; the floor's µs
}

type fanoutReport struct {
	command *fanoutCommand
	rounds  []fanoutRound
}

func (r *fanoutReport) title() string {
	return fmt.Sprintf("fanout: one session, its owner and %d assistants, %d messages a round, %d in flight", r.command.Assistants, r.command.Messages, r.command.InFlight)
}

func (r *fanoutReport) figures() []figure {
	row := func(name, unit, better string, f func(fanoutRound) float64) figure {
		return pick("fanout", name, unit, better, r.rounds, f)
	}
	return []figure{
		row("delivered", "/s", more, func(x fanoutRound) float64 { return x.Rate }),
		row("delivered, p50", "ms", less, func(x fanoutRound) float64 { return x.P50 }),
		row("delivered, p99", "ms", less, func(x fanoutRound) float64 { return x.P99 }),
		row("delivered to all, p99", "ms", less, func(x fanoutRound) float64 { return x.Last }),
		row("Redis a delivery", "µs", less, func(x fanoutRound) float64 { return x.Redis }),
		row("server a delivery", "µs", less, func(x fanoutRound) float64 { return x.Server }),
		row("floor of the server", "µs", "", func(x fanoutRound) float64 { return x.Echo }),
		row("server, of its floor", "×", less, func(x fanoutRound) float64 { return ratio(x.Server, x.Echo) }),
	}
}

// crier is the one session's round: when each message was sent, and how many have not got it.
type crier struct {
	sent         []atomic.Int64 // ns, by number
	left         []atomic.Int64
	all          atomic.Int64
	each, last   *timings
	done         chan struct{}
	listeners, n int
}

func (f *crier) begin(n int) {
	f.sent, f.left, f.n = make([]atomic.Int64, n), make([]atomic.Int64, n), n
	for i := range f.left {
		f.left[i].Store(int64(f.listeners))
	}
	f.all.Store(int64(n * f.listeners))
	f.each, f.last, f.done = newTimings(), newTimings(), make(chan struct{})
}

// listening is an agent who counts what comes, and parses no more than it must.
type listening struct {
	gws.BuiltinEventHandler
	crier *crier
	ready chan string
}

// OnPing implements gws.Event.
func (l *listening) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

var numbered = []byte(`"body":"no `)

// OnMessage implements gws.Event.
func (l *listening) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	for line := range bytes.SplitSeq(m.Bytes(), []byte{'\n'}) {
		if bytes.HasPrefix(line, []byte(`{"id":1,`)) {
			l.ready <- string(line)
			continue
		}
		i := bytes.Index(line, numbered)
		if i < 0 || !bytes.HasPrefix(line, []byte(`{"event":"message"`)) {
			continue
		}
		var n int
		for _, d := range line[i+len(numbered):] {
			if d < '0' || d > '9' {
				break
			}
			n = 10*n + int(d-'0')
		}
		l.crier.heard(n)
	}
}

func (f *crier) heard(n int) {
	took := time.Since(time.Unix(0, f.sent[n].Load()))
	f.each.record(took)
	if f.left[n].Add(-1) == 0 {
		f.last.record(took)
	}
	if f.all.Add(-1) == 0 {
		close(f.done)
	}
}

// measure has one user talk to many.
func (c *fanoutCommand) measure(ctx context.Context) (report, error) {
	self, bed, err := selfAndBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	user, session, f, err := c.gather(ctx, bed)
	if err != nil {
		return nil, err
	}
	defer user.Close()
	r := &fanoutReport{command: c}
	for round := range c.Rounds + 1 {
		x, err := c.talk(ctx, bed, user, session, f)
		if err != nil {
			return nil, err
		}
		if round == 0 { // it warms up
			continue
		}
		if x.Echo, err = echoFloor(ctx, self, c.Assistants+2, depth, min(20000, c.Messages*10)); err != nil {
			return nil, err
		}
		r.rounds = append(r.rounds, x)
	}
	return r, nil
}

func (c *fanoutCommand) gather(ctx context.Context, bed *bed) (*client.Client, string, *crier, error) {
	user, err := dial(ctx, bed.server, client.TokenRequest{Role: "user", ID: "uma"}, nil)
	if err != nil {
		return nil, "", nil, err
	}
	s, err := user.Open(ctx, client.OpenRequest{})
	if err != nil {
		return nil, "", nil, err
	}
	f := &crier{listeners: c.Assistants + 1}
	for i := range f.listeners {
		t, err := bed.api().IssueToken(ctx, client.TokenRequest{Role: "agent", ID: id("agent-", i)})
		if err != nil {
			return nil, "", nil, err
		}
		l := &listening{crier: f, ready: make(chan string, 1)}
		ws, res, err := gws.NewClient(l, &gws.ClientOption{Addr: "ws://" + bed.server.addr + "/websocket",
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + t.Token}}})
		if err != nil {
			return nil, "", nil, err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
		cmd := "join"
		if i == 0 {
			cmd = "grab"
		}
		if err := ws.WriteString(fmt.Sprintf(`{"id":1,"cmd":%q,"session":%q}`, cmd, s.ID)); err != nil {
			return nil, "", nil, err
		}
		select {
		case answer := <-l.ready:
			if !bytes.Contains([]byte(answer), []byte(`"ok"`)) {
				return nil, "", nil, fmt.Errorf("%s: %s", cmd, answer)
			}
		case <-time.After(10 * time.Second):
			return nil, "", nil, fmt.Errorf("%s: no answer", cmd)
		}
	}
	return user, s.ID, f, nil
}

func (c *fanoutCommand) talk(ctx context.Context, bed *bed, user *client.Client, session string, f *crier) (x fanoutRound, err error) {
	f.begin(c.Messages)
	defer bed.profiled()()
	redis, server, began := bed.redis.cpu(), bed.server.cpu(), time.Now()
	err = parallel(ctx, c.InFlight, c.Messages, func(ctx context.Context, i int) error {
		f.sent[i].Store(time.Now().UnixNano())
		_, err := user.SendText(ctx, session, "no "+id("", i))
		return err
	})
	if err != nil {
		return x, err
	}
	select {
	case <-f.done:
	case <-time.After(30 * time.Second):
		return x, fmt.Errorf("%d deliveries are missing", f.all.Load())
	}
	n := float64(c.Messages * f.listeners)
	return fanoutRound{Rate: n / time.Since(began).Seconds(), Redis: (bed.redis.cpu() - redis) / n, Server: (bed.server.cpu() - server) / n,
		P50: f.each.at(50), P99: f.each.at(99), Last: f.last.at(99)}, nil
}
