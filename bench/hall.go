package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type hallCommand struct {
	Watchers int           `default:"300" help:"Agents who watch the queue."`
	Orders   int           `default:"100" help:"Orders a second where many come, each grabbed at once."`
	Few      int           `default:"2" help:"Orders a second where few come."`
	For      time.Duration `default:"10s" help:"How long each of both is measured."`
	Rounds   int           `default:"3" help:"Rounds of both; the medians count."`
}

// hallLoad is what one rate of orders costs and how soon all hear of one.
type hallLoad struct {
	Orders float64
	Server float64
	Frames float64
	P50    float64
	P99    float64
}

type hallReport struct {
	command         *hallCommand
	none, many, few []hallLoad // none: as many orders as in many, and nobody watches
}

func (r *hallReport) title() string {
	return fmt.Sprintf("hall: %d watchers; many is %d orders a second, few is %d", r.command.Watchers, r.command.Orders, r.command.Few)
}

func (r *hallReport) figures() []figure {
	at := r.command.Watchers == 300 && r.command.Orders == 100
	server := func(l hallLoad) float64 { return l.Server }
	frames := func(l hallLoad) float64 { return l.Frames }
	p50 := func(l hallLoad) float64 { return l.P50 }
	p99 := func(l hallLoad) float64 { return l.P99 }
	return []figure{
		pick("hall", "many: server an order", "µs", less, r.many, server).goal(at, 500),
		pick("hall", "many, nobody watching: server an order", "µs", less, r.none, server),
		of("hall", "many: server an order, for its watchers", "µs", less, r.watching()...),
		pick("hall", "many: frames a watcher", "/s", less, r.many, frames).goal(at, 5),
		pick("hall", "many: last watcher, p50", "ms", less, r.many, p50),
		pick("hall", "many: last watcher, p99", "ms", less, r.many, p99),
		pick("hall", "few: server an order", "µs", less, r.few, server),
		pick("hall", "few: frames a watcher", "/s", less, r.few, frames),
		pick("hall", "few: last watcher, p50", "ms", less, r.few, p50).goal(at, 50),
		pick("hall", "few: last watcher, p99", "ms", less, r.few, p99),
	}
}

// watching is what an order costs more where many watch.
func (r *hallReport) watching() []float64 {
	own := pick("", "", "", "", r.none, func(l hallLoad) float64 { return l.Server }).Value
	var out []float64
	for _, l := range r.many {
		out = append(out, l.Server-own)
	}
	return out
}

// watcher counts frames, and notes when it hears of an order, which its subject numbers.
type watcher struct {
	gws.BuiltinEventHandler
	hall  *hall
	ready chan struct{}
	once  sync.Once
}

type hall struct {
	frames atomic.Int64
	orders atomic.Pointer[orders] // of the load that is measured
}

type orders struct {
	left  []atomic.Int64 // by order: how many have not heard yet
	began []atomic.Int64 // ns
	last  *timings
}

func (o *orders) heard(n int) {
	if n < len(o.left) && o.left[n].Add(-1) == 0 {
		o.last.record(time.Since(time.Unix(0, o.began[n].Load())))
	}
}

var subject = []byte(`"subject":"`)

// OnPing implements gws.Event.
func (w *watcher) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// OnMessage implements gws.Event.
func (w *watcher) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	data := m.Bytes()
	if bytes.Contains(data, []byte(`"ok":`)) {
		w.once.Do(func() { close(w.ready) })
		return
	}
	w.hall.frames.Add(1)
	for {
		i := bytes.Index(data, []byte(`"added":`))
		if i < 0 {
			return
		}
		data = data[i+1:]
		if i = bytes.Index(data, subject); i < 0 {
			return
		}
		data = data[i+len(subject):]
		n, err := strconv.Atoi(string(data[:max(0, bytes.IndexByte(data, '"'))]))
		if err == nil {
			w.hall.orders.Load().heard(n)
		}
	}
}

// measure has agents watch the default queue while orders come and are grabbed by others.
func (c *hallCommand) measure(ctx context.Context) (report, error) {
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	h := &hall{}
	agent, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: "ann", Capacity: 10_000}, nil)
	if err != nil {
		return nil, err
	}
	r := &hallReport{command: c}
	users := 0
	order := func(n int) error {
		s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: fmt.Sprintf("user-%d-%d", users, n)}, Subject: strconv.Itoa(n)})
		if err != nil {
			return err
		}
		if _, err = agent.Grab(ctx, s.ID); err != nil {
			return err
		}
		_, err = agent.End(ctx, s.ID, "", true)
		return err
	}
	if _, err := c.load(ctx, bed, h, c.Orders, order); err != nil { // it warms up
		return nil, err
	}
	for range c.Rounds {
		users++ // others each time: who comes back is offered to the same agent first
		x, err := c.load(ctx, bed, h, c.Orders, order)
		if err != nil {
			return nil, err
		}
		r.none = append(r.none, x)
	}
	users++
	for i := range c.Watchers {
		w := &watcher{hall: h, ready: make(chan struct{})}
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "agent", ID: id("watcher-", i)})
		if err != nil {
			return nil, err
		}
		ws, res, err := gws.NewClient(w, &gws.ClientOption{Addr: "ws://" + bed.server.addr + "/websocket",
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + t.Token}}})
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
		if err := ws.WriteString(`{"id":1,"cmd":"watch"}`); err != nil {
			return nil, err
		}
		select {
		case <-w.ready:
		case <-time.After(10 * time.Second):
			return nil, errors.New("watch: no answer")
		}
	}
	if _, err := c.load(ctx, bed, h, c.Orders, order); err != nil { // it warms up
		return nil, err
	}
	for range c.Rounds {
		users++
		x, err := c.load(ctx, bed, h, c.Orders, order)
		if err != nil {
			return nil, err
		}
		users++
		y, err := c.load(ctx, bed, h, c.Few, order)
		if err != nil {
			return nil, err
		}
		r.many, r.few = append(r.many, x), append(r.few, y)
	}
	return r, nil
}

func (c *hallCommand) load(ctx context.Context, bed *bed, h *hall, rate int, order func(n int) error) (hallLoad, error) {
	count := int(c.For.Seconds() * float64(rate))
	o := &orders{make([]atomic.Int64, count), make([]atomic.Int64, count), newTimings()}
	for i := range o.left {
		o.left[i].Store(int64(c.Watchers))
	}
	h.orders.Store(o)
	defer bed.profiled()()
	frames, server, began := h.frames.Load(), bed.server.cpu(), time.Now()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	failed := make(chan error, count)
	var wg sync.WaitGroup
	for n := range count {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return hallLoad{}, ctx.Err()
		}
		o.began[n].Store(time.Now().UnixNano())
		wg.Go(func() {
			if err := order(n); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	time.Sleep(min(time.Second, c.For)) // the last have heard
	took := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return hallLoad{}, err
	default:
	}
	return hallLoad{float64(rate), (bed.server.cpu() - server) / float64(count), float64(h.frames.Load()-frames) / took / float64(c.Watchers),
		o.last.at(50), o.last.at(99)}, nil
}
