package handlers

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
)

// trap makes the connections of a listener panic, one at the next read or write.
type trap struct {
	net.Listener
	read, write, deadline atomic.Bool
}

type trapped struct {
	net.Conn
	trap *trap
}

func (t *trap) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	return &trapped{c, t}, err
}

func (c *trapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.trap.read.CompareAndSwap(true, false) {
		panic("in a read")
	}
	return n, err
}

func (c *trapped) Write(p []byte) (int, error) {
	if c.trap.write.CompareAndSwap(true, false) {
		panic("in a write")
	}
	return c.Conn.Write(p)
}

func (c *trapped) SetWriteDeadline(at time.Time) error {
	if c.trap.deadline.CompareAndSwap(true, false) {
		panic("in the heartbeat")
	}
	return c.Conn.SetWriteDeadline(at)
}

// A panic in whatever runs for one client ends its connection or request, is
// counted, and leaves neither a place in the server nor a presence behind.
func TestAPanicEndsOneConnection(t *testing.T) {
	var tr *trap
	e := newEdge(t, Options{}, func(l net.Listener) net.Listener { tr = &trap{Listener: l}; return tr })
	typing := commands["typing"]
	commands["typing"] = func(context.Context, *broker.Broker, chat.Actor, *command) (any, error) { panic("in a command") }
	t.Cleanup(func() { commands["typing"] = typing })
	e.engine.GET("/panic", func(*gin.Context) { panic("in a handler") })
	agent := e.issue(t, chat.RoleAgent, "ann")
	brief, _, err := e.broker.IssueToken(t.Context(), chat.Identity{Role: chat.RoleAgent, ID: "ann"}, time.Second)
	require.NoError(t, err)
	ping := frame(0x81, []byte(`{"id":1,"cmd":"ping"}`))
	for name, c := range map[string]struct {
		token string
		code  int
		do    func(w *wire, s *socket)
	}{
		"a command":   {agent, 1011, func(w *wire, _ *socket) { w.send(t, frame(0x81, []byte(`{"id":1,"cmd":"typing"}`))) }},
		"a read":      {agent, 1011, func(w *wire, _ *socket) { tr.read.Store(true); w.send(t, ping) }},
		"an answer":   {agent, 1006, func(w *wire, _ *socket) { tr.write.Store(true); w.send(t, ping) }},
		"a pong":      {agent, 1006, func(w *wire, _ *socket) { tr.write.Store(true); w.send(t, frame(0x89, nil)) }},
		"a ping":      {agent, 1006, func(_ *wire, s *socket) { tr.write.Store(true); s.control(true, nil) }},
		"an event":    {agent, 1006, func(_ *wire, s *socket) { tr.write.Store(true); s.Deliver([]byte(`{}`)) }},
		"a heartbeat": {brief, 4001, func(*wire, *socket) { tr.deadline.Store(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			for range 4 { // more than a participant may have devices, if any stayed
				before := e.panics.Load()
				w := e.connect(t, c.token)
				w.line(t, `{"event":"hello"`)
				for _, s := range e.all() {
					if s.peer.Identity().ID == "ann" {
						c.do(w, s)
					}
				}
				require.Equal(t, c.code, w.closed())
				require.Equal(t, before+1, e.panics.Load())
				e.othersAreServed(t)
				if c.token == brief {
					break
				}
			}
		})
	}
	res, err := http.Get("http://" + e.addr + "/panic")
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	res, err = http.Get("http://" + e.addr + "/metrics")
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	require.NoError(t, err)
	require.Contains(t, string(body), "\nbellhop_panics_total 26\n")
}
