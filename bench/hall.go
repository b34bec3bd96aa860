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

type hallCommand struct {
	Watchers int           `default:"300" help:"Agents who watch the queue."`
	Orders   int           `default:"100" help:"Orders a second where many come, each grabbed at once."`
	Few      int           `default:"2" help:"Orders a second where few come."`
	For      time.Duration `default:"10s" help:"How long each of both is measured."`
}

// hallLoad is what one rate of orders costs and how soon all hear of one.
type hallLoad struct {
	Orders float64 `json:"ordersPerSecond"`
	Server float64 `json:"serverMicrosPerOrder"`
	Frames float64 `json:"framesPerSecondAndWatcher"`
	P50    float64 `json:"lastWatcherP50ms"`
	P99    float64 `json:"lastWatcherP99ms"`
}

type hallReport struct {
	Watchers int      `json:"watchers"`
	Many     hallLoad `json:"many"`
	Few      hallLoad `json:"few"`
}

func (r *hallReport) table() string {
	s := fmt.Sprintf("hall: %d watchers\n%10s %16s %18s %22s\n", r.Watchers, "orders/s", "server µs/order", "frames/s·watcher", "last watcher p50/p99")
	for _, l := range []hallLoad{r.Many, r.Few} {
		s += fmt.Sprintf("%10.0f %16.0f %18.1f %15.1f/%.1f ms\n", l.Orders, l.Server, l.Frames, l.P50, l.P99)
	}
	return s
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
	left   []atomic.Int64 // by order: how many have not heard yet
	began  []time.Time
	last   *timings
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
		if err == nil && n < len(w.hall.left) && w.hall.left[n].Add(-1) == 0 {
			w.hall.last.record(time.Since(w.hall.began[n]))
		}
	}
}

// Run has agents watch the default queue while orders come and are grabbed by others.
func (c *hallCommand) Run(ctx context.Context, o *options) error {
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	h := &hall{}
	for i := range c.Watchers {
		w := &watcher{hall: h, ready: make(chan struct{})}
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "agent", ID: id("watcher-", i)})
		if err != nil {
			return err
		}
		ws, res, err := gws.NewClient(w, &gws.ClientOption{Addr: "ws://" + bed.server.addr + "/websocket",
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + t.Token}}})
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
		if err := ws.WriteString(`{"id":"1","cmd":"watch"}`); err != nil {
			return err
		}
		<-w.ready
	}
	agent, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: "ann", Capacity: 100_000}, nil)
	if err != nil {
		return err
	}
	r := &hallReport{Watchers: c.Watchers}
	for _, l := range []struct {
		rate int
		to   *hallLoad
	}{{c.Orders, &hallLoad{}}, {c.Orders, &r.Many}, {c.Few, &r.Few}} { // the first warms up
		if *l.to, err = c.load(ctx, bed, h, l.rate, func(n int) error {
			s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: fmt.Sprintf("user-%d-%d", l.rate, n)}, Subject: strconv.Itoa(n)})
			if err != nil {
				return err
			}
			if _, err = agent.Grab(ctx, s.ID); err != nil {
				return err
			}
			_, err = agent.End(ctx, s.ID, "", true)
			return err
		}); err != nil {
			return err
		}
	}
	return o.show(r)
}

func (c *hallCommand) load(ctx context.Context, bed *bed, h *hall, rate int, order func(n int) error) (hallLoad, error) {
	count := int(c.For.Seconds() * float64(rate))
	h.left, h.began, h.last = make([]atomic.Int64, count), make([]time.Time, count), newTimings()
	for i := range h.left {
		h.left[i].Store(int64(c.Watchers))
	}
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
		h.began[n] = time.Now()
		wg.Go(func() {
			if err := order(n); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Second) // the last have heard
	took := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return hallLoad{}, err
	default:
	}
	return hallLoad{float64(rate), (bed.server.cpu() - server) / float64(count), float64(h.frames.Load()-frames) / took / float64(c.Watchers),
		h.last.at(50), h.last.at(99)}, nil
}
