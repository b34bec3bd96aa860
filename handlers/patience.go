package handlers

import (
	"context"
	"time"
)

// patience is a context for the commands of the next second, which thus have
// between ten and eleven: one for each command would cost more than many commands do.
type patience struct {
	ctx    context.Context //nolint:containedctx // that is what it is for
	cancel context.CancelFunc
}

// renew begins the next second's.
func (s *Server) renew() {
	old := s.commands.Load()
	if old != nil && time.Until(deadlineOf(old.ctx)) > commandPatience {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), commandPatience+time.Second) //nolint:gosec // the next but one calls it
	s.commands.Store(&patience{ctx, cancel})
	if old != nil {
		time.AfterFunc(commandPatience+time.Second, old.cancel) // for those still under way
	}
}

func deadlineOf(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}
