package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type stormCommand struct {
	Clients int           `default:"10000" help:"Users who come back, each with an open session."`
	Missed  int           `default:"20" help:"Messages that each has missed."`
	Within  time.Duration `default:"1s" help:"They come back evenly within this time."`
	Agents  int           `default:"100" help:"Agents who own the sessions, and stay."`
	Rounds  int           `default:"3" help:"Storms; the medians count."`

	files int // that the server has open without them
}

// stormRound is one storm.
type stormRound struct {
	Took   float64 // s, from the first who came until all were caught up
	Hello  float64 // ms, p99 of the time from dialling to hello
	Caught float64 // ms, p99 of the time from dialling to the last missed message
	Redis  float64 // of a core's time
	Server float64 // likewise
	// µs for each client.
	RedisEach, ServerEach float64
	Own                   float64 // µs of this process for each client
	Refused               float64 // tries that were told 503
}

type stormReport struct {
	command *stormCommand
	rounds  []stormRound
}

func (r *stormReport) figures() []figure {
	row := func(name, unit string, f func(stormRound) float64) figure {
		return pick("storm", name, unit, less, r.rounds, f)
	}
	at := r.command.Clients == 10000 && r.command.Missed == 20 && r.command.Within == time.Second
	return []figure{
		row("all caught up", "s", func(x stormRound) float64 { return x.Took }).goal(at, 5),
		row("Redis, of a core", "", func(x stormRound) float64 { return x.Redis }).goal(at, 0.5),
		row("server, of a core", "", func(x stormRound) float64 { return x.Server }),
		row("Redis a client", "µs", func(x stormRound) float64 { return x.RedisEach }),
		row("server a client", "µs", func(x stormRound) float64 { return x.ServerEach }),
		row("hello, p99", "ms", func(x stormRound) float64 { return x.Hello }),
		row("the clients themselves", "µs", func(x stormRound) float64 { return x.Own }),
		row("refused at first", "", func(x stormRound) float64 { return x.Refused }),
		row("caught up, p99", "ms", func(x stormRound) float64 { return x.Caught }),
	}
}

func (r *stormReport) title() string {
	return fmt.Sprintf("storm: %d clients come back within %s, each having missed %d messages", r.command.Clients, r.command.Within, r.command.Missed)
}

// returner is a user who goes and comes back. It does as little as a client can, since all share the machine with the server.
type returner struct {
	gws.BuiltinEventHandler
	token   string
	session string
	ws      *gws.Conn
	seq     int    // of the last message it holds
	mid     string // and its id
	back    *comeback
	began   time.Time
}

// comeback is one storm, or the calm before the first.
type comeback struct {
	hellos, caught *timings
	left, refused  atomic.Int64
	done           chan struct{}
	failed         chan error
}

func newComeback(n int) *comeback {
	c := &comeback{hellos: newTimings(), caught: newTimings(), done: make(chan struct{}), failed: make(chan error, 1)}
	c.left.Store(int64(n))
	return c
}

func (c *comeback) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

func (c *comeback) wait(ctx context.Context) error {
	select {
	case err := <-c.failed:
		return err
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("%d are not back after two minutes", c.left.Load())
	}
}

// OnPing implements gws.Event.
func (u *returner) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// OnMessage implements gws.Event.
func (u *returner) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	for line := range bytes.SplitSeq(m.Bytes(), []byte{'\n'}) {
		var err error
		switch {
		case bytes.HasPrefix(line, []byte(`{"event":"hello"`)):
			err = u.greeted(ws, line)
		case bytes.HasPrefix(line, []byte(`{"id":1,`)):
			err = u.holds(line)
		}
		if err != nil {
			u.back.fail(err)
		}
	}
}

// greeted asks for what it missed, as docs/protocol.md says.
func (u *returner) greeted(ws *gws.Conn, line []byte) error {
	u.back.hellos.record(time.Since(u.began))
	var h struct {
		Sessions []struct {
			ID  string
			Seq int
			Mid string
		}
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return err
	}
	if len(h.Sessions) != 1 || h.Sessions[0].ID != u.session {
		return fmt.Errorf("hello names %v, not %s", h.Sessions, u.session)
	}
	s := h.Sessions[0]
	after, mid := u.seq, u.mid
	u.seq, u.mid = s.Seq, s.Mid
	if after == 0 { // it came for the first time
		u.arrived()
		return nil
	}
	return ws.WriteString(fmt.Sprintf(`{"id":1,"cmd":"history","session":%q,"after":%d,"mid":%q,"limit":100}`, u.session, after, mid))
}

// holds looks whether the answer ends at the last message.
func (u *returner) holds(line []byte) error {
	if !bytes.Contains(line, []byte(`"seq":`+strconv.Itoa(u.seq)+`,`)) || !bytes.Contains(line, []byte(`"more":false`)) {
		return fmt.Errorf("not all that was missed, up to %d: %.300s", u.seq, line)
	}
	u.arrived()
	return nil
}

func (u *returner) arrived() {
	u.back.caught.record(time.Since(u.began))
	if u.back.left.Add(-1) == 0 {
		close(u.back.done)
	}
}

func (u *returner) dial(server *proc, back *comeback) error {
	u.back, u.began = back, time.Now()
	for {
		ws, res, err := gws.NewClient(u, &gws.ClientOption{Addr: "ws://" + server.addr + "/websocket", ReadBufferSize: 512,
			HandshakeTimeout: time.Minute, RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + u.token}}})
		if res != nil {
			_ = res.Body.Close()
		}
		if err == nil {
			u.ws = ws
			ws.ReadLoop()
			return nil
		}
		if res == nil || res.StatusCode != http.StatusServiceUnavailable || time.Since(u.began) > time.Minute {
			return err
		}
		back.refused.Add(1) // overloaded: it tries again, as clients do
		time.Sleep(500*time.Millisecond + rand.N(500*time.Millisecond))
	}
}

func (c *stormCommand) measure(ctx context.Context) (report, error) {
	most, err := fit(c.Clients)
	if err != nil {
		return nil, err
	}
	c.Clients = min(c.Clients, most)
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	users, agents, err := c.gather(ctx, bed)
	if err != nil {
		return nil, err
	}
	if c.files, err = bed.server.files(); err != nil {
		return nil, err
	}
	if _, err := c.storm(ctx, bed, users, 5*c.Within); err != nil {
		return nil, err
	}
	r := &stormReport{command: c}
	for range c.Rounds {
		if err := c.leave(ctx, bed, users); err != nil {
			return nil, err
		}
		if err := c.miss(ctx, users, agents); err != nil {
			return nil, err
		}
		x, err := c.storm(ctx, bed, users, c.Within)
		if err != nil {
			return nil, err
		}
		r.rounds = append(r.rounds, x)
	}
	return r, c.leave(ctx, bed, users)
}

// gather opens a session for each user, and has the agents grab them.
func (c *stormCommand) gather(ctx context.Context, bed *bed) ([]*returner, []*client.Client, error) {
	api := bed.api()
	agents := make([]*client.Client, c.Agents)
	for i := range agents {
		a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("agent-", i), Capacity: 10_000}, nil)
		if err != nil {
			return nil, nil, err
		}
		agents[i] = a
	}
	users := make([]*returner, c.Clients)
	return users, agents, parallel(ctx, 32, c.Clients, func(ctx context.Context, i int) error {
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: id("user-", i)})
		if err != nil {
			return err
		}
		s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("user-", i)}})
		if err != nil {
			return err
		}
		users[i] = &returner{token: t.Token, session: s.ID}
		_, err = agents[i%len(agents)].Grab(ctx, s.ID)
		return err
	})
}

// leave cuts every user's connection, and waits until the server has seen that.
func (c *stormCommand) leave(ctx context.Context, bed *bed, users []*returner) error {
	for _, u := range users {
		_ = u.ws.NetConn().Close()
	}
	return until(ctx, func() error {
		n, err := bed.server.files()
		if err == nil && n > c.files+100 {
			err = fmt.Errorf("%d connections are left", n-c.files)
		}
		return err
	})
}

// miss sends what the users miss.
func (c *stormCommand) miss(ctx context.Context, users []*returner, agents []*client.Client) error {
	return parallel(ctx, 64, len(users), func(ctx context.Context, i int) error {
		for range c.Missed {
			if _, err := agents[i%len(agents)].SendText(ctx, users[i].session, "hello, hello"); err != nil {
				return err
			}
		}
		return nil
	})
}

// ownCPU is the processor time that this process has used, in µs.
func ownCPU() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(time.Duration(r.Utime.Nano() + r.Stime.Nano()).Microseconds())
}

// storm has all come within a time, and waits until they hold what there is.
func (c *stormCommand) storm(ctx context.Context, bed *bed, users []*returner, within time.Duration) (x stormRound, err error) {
	debug.FreeOSMemory() // now, not while they come
	back := newComeback(len(users))
	defer bed.profiled()()
	own, redis, server, began := ownCPU(), bed.redis.cpu(), bed.server.cpu(), time.Now()
	var dialled sync.WaitGroup
	for i, u := range users {
		time.Sleep(time.Until(began.Add(within * time.Duration(i) / time.Duration(len(users)))))
		dialled.Go(func() {
			if err := u.dial(bed.server, back); err != nil {
				back.fail(errors.Join(errors.New("refused"), err))
			}
		})
	}
	if err := back.wait(ctx); err != nil {
		return x, err
	}
	took := time.Since(began)
	n, core := float64(len(users)), float64(took.Microseconds())
	redis, server = bed.redis.cpu()-redis, bed.server.cpu()-server
	return stormRound{took.Seconds(), back.hellos.at(99), back.caught.at(99), redis / core, server / core, redis / n, server / n, (ownCPU() - own) / n, float64(back.refused.Load())}, nil
}
