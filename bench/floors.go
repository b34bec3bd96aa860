package main

import (
	"context"
	_ "embed"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/lxzan/gws"
	"github.com/redis/go-redis/v9"
)

// floorLua does what a send must, with no check: the least its effects can cost.
//
//go:embed floor.lua
var floorLua string

const depth = 64

// redisFloor is Redis's CPU in µs for each run of the floor's script, 64 deep in a pipeline.
func redisFloor(ctx context.Context, server *proc, rdb *redis.Client, messages int) (float64, error) {
	script := redis.NewScript(floorLua)
	if err := script.Load(ctx, rdb).Err(); err != nil {
		return 0, err
	}
	const sessions = 1000
	keys := make([][]string, sessions)
	for i := range keys {
		p := "{floor}:" + strconv.Itoa(i)
		keys[i] = []string{p, p + ":log", p + ":unread", p + ":keys", p + ":authors", "{floor}:dirty"}
		if err := rdb.HSet(ctx, p, "state", "serving", "seq", 0).Err(); err != nil {
			return 0, err
		}
		if err := rdb.HSet(ctx, p+":unread", "u:user-"+strconv.Itoa(i), 0, "a:agent-1", 0).Err(); err != nil {
			return 0, err
		}
	}
	done, err := hear(ctx, rdb, keys)
	if err != nil {
		return 0, err
	}
	defer done()
	head := `"mid":"01J00000000000000000000000","from":{"id":"user-1","role":"user","name":"user-1"},"type":"text"`
	before := server.cpu()
	for sent := 0; sent < messages; sent += depth {
		_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range depth {
				n := (sent + i) % sessions
				p.EvalSha(ctx, script.Hash(), keys[n], "u:user-"+strconv.Itoa(n), strconv.Itoa(sent+i), head, `"hello, hello"`)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	used := server.cpu() - before
	for _, k := range keys {
		rdb.Del(ctx, k...)
	}
	return used / float64(messages), rdb.Del(ctx, "{floor}:dirty").Err()
}

// hear subscribes to every session, as the node does that delivers.
func hear(ctx context.Context, rdb *redis.Client, keys [][]string) (done func(), err error) {
	ps := rdb.Subscribe(ctx)
	for _, k := range keys {
		if err := ps.Subscribe(ctx, k[0]); err != nil {
			return nil, err
		}
	}
	for range keys {
		if _, err := ps.Receive(ctx); err != nil {
			return nil, err
		}
	}
	go func() {
		for {
			if _, err := ps.Receive(ctx); err != nil {
				return
			}
		}
	}()
	return func() { _ = ps.Close() }, nil
}

// echoCommand is the other floor's server.
type echoCommand struct {
	Addr string `arg:""`
}

type echo struct{ gws.BuiltinEventHandler }

// OnMessage implements gws.Event.
func (echo) OnMessage(ws *gws.Conn, m *gws.Message) {
	_ = ws.WriteMessage(m.Opcode, m.Bytes())
	_ = m.Close()
}

// Run serves until it is killed.
func (c *echoCommand) Run(context.Context, *options) error {
	up := gws.NewUpgrader(echo{}, &gws.ServerOption{ReadBufferSize: 1 << 10})
	l, err := net.Listen("tcp", c.Addr) //nolint:noctx // until it is killed
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := up.Upgrade(w, r); err == nil {
			go ws.ReadLoop()
		}
	}))
}

// echoFloor is a bare echo server's CPU in µs for each message, in and out,
// with as many connections and messages on their way as the chat has.
func echoFloor(ctx context.Context, self string, conns, inFlight, messages int) (float64, error) {
	addr, err := freeAddr()
	if err != nil {
		return 0, err
	}
	p, err := start(addr, self, "echo", addr)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	if err := until(ctx, func() error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	}); err != nil {
		return 0, err
	}
	r := &ring{idle: make(chan *gws.Conn, conns), back: make(chan *gws.Conn, conns)}
	for range conns {
		ws, res, err := gws.NewClient(r, &gws.ClientOption{Addr: "ws://" + addr, ReadBufferSize: 1 << 10})
		if err != nil {
			return 0, err
		}
		_ = res.Body.Close()
		go ws.ReadLoop()
		defer func() { _ = ws.NetConn().Close() }()
		r.idle <- ws
	}
	before := p.cpu()
	if err := r.bounce(min(inFlight, conns), messages); err != nil {
		return 0, err
	}
	return (p.cpu() - before) / float64(messages), nil
}

// ring lets connections take turns, as the chat's sessions do.
type ring struct {
	gws.BuiltinEventHandler
	idle, back chan *gws.Conn
}

// OnMessage implements gws.Event.
func (r *ring) OnMessage(ws *gws.Conn, m *gws.Message) {
	_ = m.Close()
	r.back <- ws
}

// bounce sends each message on the connection that has been quiet longest.
func (r *ring) bounce(inFlight, messages int) error {
	payload := []byte(`{"id":7,"cmd":"send","session":"00-01J00000000000000000000000","body":"hello, hello","key":"01J00000000000000000000000"}`)
	for sent, under := 0, 0; sent < messages || under > 0; {
		if sent < messages && under < inFlight {
			if err := (<-r.idle).WriteMessage(gws.OpcodeText, payload); err != nil {
				return err
			}
			sent, under = sent+1, under+1
			continue
		}
		select {
		case ws := <-r.back:
			r.idle <- ws
			under--
		case <-time.After(time.Minute):
			return errors.New("echo: no answer")
		}
	}
	return nil
}
