package handlers

import (
	"context"
	"time"

	"bellhop/broker/chat"
)

// heartbeat pings, and closes what is silent or whose token has expired.
func (s *Server) heartbeat(ctx context.Context) {
	pause := min(time.Second, s.opt.Heartbeat/4, s.opt.Silence/4)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			// A node that stood still counts one step: its clients did not fall
			// silent meanwhile, nor are its writes stuck.
			s.clock.Add(min(now.Sub(last), 2*pause).Milliseconds())
			last = now
			s.renew()
			for _, sock := range s.all() {
				sock.check(now)
			}
		}
	}
}

func (s *Server) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*socket, 0, len(s.sockets))
	for sock := range s.sockets {
		out = append(out, sock)
	}
	return out
}

func (s *socket) check(now time.Time) {
	defer s.caught("heartbeat")
	ms := s.srv.clock.Load()
	s.mu.Lock()
	ws, since := s.ws, s.since
	stuck := ws != nil && s.writing && ms-since > writePatience.Milliseconds()
	if stuck && !s.stuck && s.code == 0 {
		s.stuck = true
		s.srv.meters.slow.Add(1)
	}
	s.mu.Unlock()
	switch {
	case ws == nil:
	case stuck:
		_ = ws.NetConn().Close() // stuck: the write fails, and the read loop ends
	case s.expires > 0 && now.Unix() >= s.expires:
		s.Close(chat.CloseRevoked, "token expired")
	case ms-s.seen.Load() > s.srv.opt.Silence.Milliseconds():
		s.Close(chat.CloseSilent, "silent")
	case ms >= s.next:
		s.next = ms + s.srv.opt.Heartbeat.Milliseconds()
		s.control(true, nil)
	}
}
