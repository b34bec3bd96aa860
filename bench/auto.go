package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type autoCommand struct {
	Agents     int           `default:"5000" help:"Agents who are connected, all of one queue that assigns."`
	Capacity   int           `default:"3" help:"Sessions an agent may hold."`
	Orders     int           `default:"300" help:"Orders a second."`
	For        time.Duration `default:"20s" help:"How long they come."`
	Hold       time.Duration `default:"5s" help:"How long a session lasts once it is assigned."`
	IdleQueues int           `default:"50" help:"Queues that assign while nothing comes."`
	IdleAgents int           `default:"500" help:"Agents of these, shared out evenly."`
	IdleFor    time.Duration `default:"60s" help:"How long that is measured; half a minute at least shows what is done each half minute."`
	Rest       time.Duration `default:"5s" help:"Between connecting and measuring."`
	Server     string        `help:"Measure this binary instead of the one that is built." placeholder:"FILE"`
}

type autoReport struct {
	Agents    int     `json:"agents"`
	PerSecond int     `json:"ordersPerSecond"`
	Orders    int     `json:"orders"`
	Assigned  int     `json:"assigned"`
	P50       float64 `json:"assignedP50ms"`
	P99       float64 `json:"assignedP99ms"`
	Max       float64 `json:"assignedMaxms"`
	Commands  float64 `json:"redisCommandsAnOrder"`
	Redis     float64 `json:"redisMicrosAnOrder"`
	Server    float64 `json:"serverMicrosAnOrder"`

	Queues     int     `json:"idleQueues"`
	IdleAgents int     `json:"idleAgents"`
	Grab       float64 `json:"idleCommandsPerSecondWithGrab"`
	Auto       float64 `json:"idleCommandsPerSecondWithAuto"`
	RedisIdle  float64 `json:"idleRedisMicrosPerSecond"`
	ServerIdle float64 `json:"idleServerMicrosPerSecond"`
}

func (r *autoReport) title() string {
	return fmt.Sprintf("auto: %d agents in a queue, %d orders of which %d were assigned; idle: %d queues that assign, %d agents", r.Agents, r.Orders, r.Assigned, r.Queues, r.IdleAgents)
}

func (r *autoReport) figures() []figure {
	return []figure{
		of("auto", "assigned, p50", "ms", less, r.P50), of("auto", "assigned, p99", "ms", less, r.P99),
		of("auto", "assigned, the last", "ms", less, r.Max).goal(r.Agents >= 5000 && r.PerSecond >= 300, 1000),
		of("auto", "Redis commands an order", "", less, r.Commands), of("auto", "Redis an order", "µs", less, r.Redis),
		of("auto", "server an order", "µs", less, r.Server),
		of("auto", "idle, Redis commands", "/s", less, r.Auto), of("auto", "idle, before they assigned", "/s", less, r.Grab),
		of("auto", "idle, Redis", "µs/s", less, r.RedisIdle), of("auto", "idle, server", "µs/s", less, r.ServerIdle),
	}
}

// assignee is an agent who notes when it is told that an order, which its subject numbers, is its own.
type assignee struct {
	gws.BuiltinEventHandler
	desk *desk
}

type desk struct {
	began []time.Time
	heard []atomic.Bool
	count atomic.Int64
	times *timings
}

// OnPing implements gws.Event.
func (assignee) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// OnMessage implements gws.Event.
func (a assignee) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	data := m.Bytes()
	for {
		i := bytes.Index(data, subject)
		if i < 0 {
			return
		}
		data = data[i+len(subject):]
		n, err := strconv.Atoi(string(data[:max(0, bytes.IndexByte(data, '"'))]))
		if err == nil && n < len(a.desk.heard) && !a.desk.heard[n].Swap(true) {
			a.desk.times.record(time.Since(a.desk.began[n]))
			a.desk.count.Add(1)
		}
	}
}

// measure has orders come to very many agents, then looks at queues to which nothing comes.
func (c *autoCommand) measure(ctx context.Context) (_ report, err error) {
	if c.Agents, err = fit(c.Agents); err != nil {
		return nil, err
	}
	r := &autoReport{Agents: c.Agents, PerSecond: c.Orders, Queues: c.IdleQueues, IdleAgents: c.IdleAgents}
	if err := c.on(ctx, func(bed *bed, api client.API) error { return c.orders(ctx, bed, api, r) }); err != nil {
		return nil, err
	}
	if err := c.on(ctx, func(bed *bed, api client.API) error { return c.idle(ctx, bed, api, r) }); err != nil {
		return nil, err
	}
	return r, nil
}

// on does something on a bed of its own.
func (c *autoCommand) on(ctx context.Context, do func(*bed, client.API) error) error {
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	if c.Server != "" {
		bed.server.stop()
		bed.nodes, bed.bin = nil, c.Server
		if err := bed.add(ctx); err != nil {
			return err
		}
		bed.server = bed.nodes[0]
	}
	return do(bed, client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled})
}

// staff connects agents.
func staff(ctx context.Context, bed *bed, api client.API, n, capacity int, queue func(i int) string, h gws.Event) error {
	return parallel(ctx, 8, n, func(ctx context.Context, i int) error {
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "agent", ID: id("agent-", i), Queues: []string{queue(i)}, Capacity: capacity})
		if err != nil {
			return err
		}
		ws, res, err := gws.NewClient(h, &gws.ClientOption{Addr: "ws://" + bed.server.addr + "/websocket", ReadBufferSize: 512,
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + t.Token}}})
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
		return nil
	})
}

func (c *autoCommand) orders(ctx context.Context, bed *bed, api client.API, r *autoReport) error {
	if err := setQueue(ctx, api, "auto"); err != nil {
		return err
	}
	warm := c.Orders * 2 // the first two seconds do not count
	r.Orders = int(c.For.Seconds() * float64(c.Orders))
	d := &desk{began: make([]time.Time, warm+r.Orders), heard: make([]atomic.Bool, warm+r.Orders), times: newTimings()}
	if err := staff(ctx, bed, api, c.Agents, c.Capacity, func(int) string { return queueID }, assignee{desk: d}); err != nil {
		return err
	}
	time.Sleep(c.Rest) // the handshakes' garbage is gone
	quiet, err := c.rate(ctx, bed, 5*time.Second)
	if err != nil {
		return err
	}
	var before cost
	tick := time.NewTicker(time.Second / time.Duration(c.Orders))
	defer tick.Stop()
	failed := make(chan error, len(d.began))
	var wg sync.WaitGroup
	for n := range d.began {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n == warm {
			d.times.reset()
			d.count.Store(0)
			if before, err = spent(ctx, bed); err != nil {
				return err
			}
		}
		d.began[n] = time.Now()
		wg.Go(func() {
			s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("user-", n)}, Queue: queueID, Subject: strconv.Itoa(n)})
			if err == nil {
				time.Sleep(c.Hold)
				_, err = api.Transition(ctx, s.ID, "end", nil)
			}
			if err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	after, err := spent(ctx, bed)
	if err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	took, n := after.at.Sub(before.at).Seconds(), float64(r.Orders)
	r.Assigned, r.P50, r.P99, r.Max = int(d.count.Load()), d.times.at(50), d.times.at(99), d.times.at(100)
	r.Commands = (after.commands - before.commands - quiet*took) / n
	r.Redis, r.Server = (after.redis-before.redis)/n, (after.server-before.server)/n
	return nil
}

func (c *autoCommand) idle(ctx context.Context, bed *bed, api client.API, r *autoReport) error {
	queue := func(i int) string { return id("queue-", i%c.IdleQueues) }
	route := func(routing string) error {
		for i := range c.IdleQueues {
			if err := api.Do(ctx, "PUT", "/queues/"+queue(i), map[string]any{"routing": routing}, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := route("grab"); err != nil {
		return err
	}
	if err := staff(ctx, bed, api, c.IdleAgents, c.Capacity, queue, quiet{}); err != nil {
		return err
	}
	time.Sleep(c.Rest)
	var err error
	if r.Grab, err = c.rate(ctx, bed, c.IdleFor/2); err != nil {
		return err
	}
	if err := route("auto"); err != nil {
		return err
	}
	time.Sleep(c.Rest)
	before, err := spent(ctx, bed)
	if err != nil {
		return err
	}
	if r.Auto, err = c.rate(ctx, bed, c.IdleFor); err != nil {
		return err
	}
	after, err := spent(ctx, bed)
	took := after.at.Sub(before.at).Seconds()
	r.RedisIdle, r.ServerIdle = (after.redis-before.redis)/took, (after.server-before.server)/took
	return err
}

// cost is what has been spent until a time.
type cost struct {
	at                      time.Time
	commands, redis, server float64
}

func spent(ctx context.Context, bed *bed) (cost, error) {
	c := cost{at: time.Now(), redis: bed.redis.cpu(), server: bed.server.cpu()}
	var err error
	c.commands, err = commands(ctx, bed.rdb)
	return c, err
}

// rate is how many commands a second Redis carries out while nothing is asked of the server.
func (c *autoCommand) rate(ctx context.Context, bed *bed, long time.Duration) (float64, error) {
	before, err := spent(ctx, bed)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(long):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := spent(ctx, bed)
	return (after.commands - before.commands) / after.at.Sub(before.at).Seconds(), err
}
