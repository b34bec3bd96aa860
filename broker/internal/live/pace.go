package live

import (
	"context"

	"golang.org/x/time/rate"
)

// How fast a participant may command at one node, whatever the commands are:
// docs/limits.md. Far above what any client needs; it is for those who would keep
// the node from serving others.
const (
	// CommandRate is a second, over all its connections.
	CommandRate  = 1000
	CommandBurst = 2000
)

// Pace waits until the participant may command once more: whoever floods us on
// however many connections is read more slowly, and gets every answer. It returns
// early, with the error, when the context ends.
func (c *Conn) Pace(ctx context.Context) error { return c.m.pacer().Wait(ctx) }

func (m *member) pacer() *rate.Limiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pace == nil {
		m.pace = rate.NewLimiter(CommandRate, CommandBurst)
	}
	return m.pace
}
