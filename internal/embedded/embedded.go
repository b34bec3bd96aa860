// Package embedded is a Redis in memory, of this process, behind its real protocol.
package embedded

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Server is a Redis that ends with the process, at the latest, and what it holds
// with it. It listens on loopback, where every process of the machine could ask it
// for tokens: so it lets in only who has its password. (A pipe within the process would need no password, but
// holds too little: a batch whose commands and answers are both large stops for
// ever, each side waiting for the other to read.)
type Server struct {
	*miniredis.Miniredis
	password string
	stop     chan struct{}
	ticking  sync.WaitGroup
}

// Start starts one that listens at a loopback address; port 0 is a free one.
func Start(addr, password string) (*Server, error) {
	s := &Server{Miniredis: miniredis.NewMiniRedis(), password: password, stop: make(chan struct{})}
	s.RequireAuth(s.password)
	if err := s.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	s.ticking.Go(s.tick)
	return s, nil
}

// URL is where it listens, with its password.
func (s *Server) URL() string { return "redis://:" + s.password + "@" + s.Addr() }

// Close stops it. What it held is gone.
func (s *Server) Close() {
	close(s.stop)
	s.ticking.Wait()
	s.Miniredis.Close()
}

// tickEvery is how much too early or late a key may expire; longer where there are
// so many keys that looking at them would take more than a twentieth of a core.
const tickEvery = 20 * time.Millisecond

// tick lets keys expire by the clock. The server's own way looks at all keys for
// each single command of each script.
func (s *Server) tick() {
	last, pause := time.Now(), tickEvery
	for {
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
		now := time.Now()
		s.FastForward(now.Sub(last))
		last = now
		pause = max(tickEvery, 20*time.Since(now))
	}
}
