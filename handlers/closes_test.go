package handlers

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// holder keeps close frames back until it is told.
type holder struct {
	net.Listener
	came, goOn chan struct{}
}

type held struct {
	net.Conn
	by *holder
}

func (h *holder) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	return &held{c, h}, err
}

func (c *held) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] == 0x88 {
		c.by.came <- struct{}{}
		<-c.by.goOn
	}
	return c.Conn.Write(p)
}

// Who closes first says why: an end of ours that comes while gws writes its own close
// does not cut that off.
func TestTwoClosesAtOnce(t *testing.T) {
	h := &holder{came: make(chan struct{}, 8), goOn: make(chan struct{})}
	e := newEdge(t, Options{}, func(l net.Listener) net.Listener { h.Listener = l; return h })
	w := e.connect(t, e.token)
	w.line(t, `{"event":"hello"`)
	var s *socket
	for _, one := range e.all() {
		if one.peer.Identity().ID == "uma" {
			s = one
		}
	}
	w.send(t, frame(0x81, []byte("\xff")))
	<-h.came // gws has begun to close
	s.mu.Lock()
	s.writing = true // the one who flushes is here
	s.mu.Unlock()
	s.Close(4001, "ours")
	s.flush()
	close(h.goOn)
	require.Equal(t, 1007, w.closed())
}
