package handlers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"bellhop/broker/chat"
)

// Drain hands the connections over, one after the other over the drain time: it tells
// a client when to come back, then closes with 1001. It returns when
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

// returnPause is how long a client that was handed over waits at most before it comes back: those of
// one moment come apart, and nobody is away for long.
const returnPause = time.Second

// handOver waits for the client's turn, which is random, so that they are spread over the drain time.
// Then it tells the client, and closes.
func (s *socket) handOver(ctx context.Context, within time.Duration) {
	defer s.caught("hand over")
	t := time.NewTimer(upTo(within * 3 / 4))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	s.Deliver(fmt.Appendf(nil, `{"event":"closing","reason":"draining","reconnectAfter":%d,"jittered":true}`, upTo(returnPause).Milliseconds()))
	s.Close(chat.CloseGoingAway, "draining")
}

// upTo is random.
func upTo(most time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(most) + 1)) //nolint:gosec // spreads what comes at once
}
