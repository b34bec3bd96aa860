package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/lxzan/gws"

	"bellhop/client"
)

type idleCommand struct {
	Conns int `default:"20000" help:"Connections, each of a user of its own."`
}

type idleReport struct {
	Conns   int     `json:"connections"`
	Before  float64 `json:"rssBefore"`
	After   float64 `json:"rssAfter"`
	EachAll float64 `json:"bytesEachAllTold"` // RSS divided by connections
	EachNew float64 `json:"bytesEachAdded"`
}

func (r *idleReport) table() string {
	return fmt.Sprintf("idle: %d connections, RSS %.1f MiB (%.1f MiB before)\n%.1f KB a connection all told, %.1f KB added by each\n",
		r.Conns, r.After/(1<<20), r.Before/(1<<20), r.EachAll/1000, r.EachNew/1000)
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

// Run opens the connections and reads the server's memory when it is at rest.
func (c *idleCommand) Run(ctx context.Context, o *options) (err error) {
	if c.Conns, err = fit(c.Conns); err != nil {
		return err
	}
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	tokens := make([]string, c.Conns)
	for i := range tokens {
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: id("user-", i)})
		if err != nil {
			return err
		}
		tokens[i] = t.Token
	}
	r := &idleReport{Conns: c.Conns, Before: bed.server.rss()}
	if err := connectQuietly(bed.server, tokens); err != nil {
		return err
	}
	time.Sleep(30 * time.Second) // a round of pings, and garbage collections of what the handshakes left
	r.After = bed.server.rss()
	r.EachAll, r.EachNew = r.After/float64(c.Conns), (r.After-r.Before)/float64(c.Conns)
	return o.show(r)
}
