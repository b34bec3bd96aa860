package handlers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"bellhop/broker/chat"
)

// Drain hands the connections over: it tells every client when to come back
// (jittered over the drain time), then closes each with 1001, and returns when
// all are gone or the context ends. New handshakes are refused meanwhile.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	s.mu.Lock()
	if len(s.sockets) == 0 {
		s.drained()
	}
	s.mu.Unlock()
	for _, sock := range s.all() {
		go sock.handOver(ctx, s.opt.Drain)
	}
	select {
	case <-s.empty:
	case <-ctx.Done():
		for _, sock := range s.all() {
			sock.Close(chat.CloseGoingAway, "draining")
		}
	}
	s.Close()
}

// Close ends the heartbeat and what connections are left, without a word of
// warning. Calling it twice, or after Drain, does no harm.
func (s *Server) Close() {
	s.draining.Store(true)
	s.beat()
	s.beating.Wait()
	for _, sock := range s.all() {
		sock.Close(chat.CloseGoingAway, "stopping")
	}
	s.writers.once.Do(func() { close(s.writers.stop) })
}

// handOver lets a client finish what is under way, then closes it.
func (s *socket) handOver(ctx context.Context, within time.Duration) {
	defer s.caught("hand over")
	after := time.Duration(rand.Int64N(int64(within)*3/4 + 1)) //nolint:gosec // spreads the reconnects
	s.Deliver(fmt.Appendf(nil, `{"event":"closing","reason":"draining","reconnectAfter":%d,"jittered":true}`, after.Milliseconds()))
	t := time.NewTimer(after)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	s.Close(chat.CloseGoingAway, "draining")
}
