package main

import (
	"context"
	"syscall"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type idleCommand struct {
	Conns int           `default:"20000" help:"Connections, each of a user of its own."`
	Rest  time.Duration `default:"30s" help:"How long they rest before memory is read: a round of pings, and collections of what the handshakes left."`
}

type idleReport struct {
	Conns   int
	Before  float64
	After   float64
	EachAll float64 // RSS divided by connections
	EachNew float64
	Server  float64 // CPU-µs a connection
	Redis   float64 // likewise
}

type quiet struct{ gws.BuiltinEventHandler }

// OnPing implements gws.Event.
func (quiet) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// fit raises the limit of open files, which this process and those it starts
// have, and gives how many connections that allows.
func fit(conns int) (int, error) {
	const others = 300 // files that are no connections
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	want := uint64(conns + others)
	if l.Cur < want && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: max(want, l.Max)}) != nil {
		l.Cur = l.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 0, err
		}
		conns = min(conns, int(l.Cur)-others)
	}
	return conns, nil
}

// connectQuietly connects users who say nothing and take what comes.
func connectQuietly(server *proc, tokens []string) error {
	for _, t := range tokens {
		ws, res, err := gws.NewClient(quiet{}, &gws.ClientOption{Addr: "ws://" + server.addr + "/websocket", ReadBufferSize: 512,
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {"bellhop.v1, " + t}}})
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
	}
	return nil
}

// measure opens the connections and reads the server's memory when it is at rest.
func (c *idleCommand) measure(ctx context.Context) (_ report, err error) {
	if c.Conns, err = fit(c.Conns); err != nil {
		return nil, err
	}
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	tokens := make([]string, c.Conns)
	for i := range tokens {
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: id("user-", i)})
		if err != nil {
			return nil, err
		}
		tokens[i] = t.Token
	}
	r := &idleReport{Conns: c.Conns, Before: bed.server.rss()}
	server, redis := bed.server.cpu(), bed.redis.cpu()
	if err := connectQuietly(bed.server, tokens); err != nil {
		return nil, err
	}
	r.Server, r.Redis = (bed.server.cpu()-server)/float64(c.Conns), (bed.redis.cpu()-redis)/float64(c.Conns)
	time.Sleep(c.Rest) // a round of pings, and garbage collections of what the handshakes left
	r.After = bed.server.rss()
	r.EachAll, r.EachNew = r.After/float64(c.Conns), (r.After-r.Before)/float64(c.Conns)
	return r, nil
}
