package broker

import (
	"context"

	"golang.org/x/time/rate"

	"bellhop/broker/internal/people"
)

// Pace waits until the participant may command once more: whoever floods us on
// however many connections is read more slowly, and gets every answer. It returns
// early, with the error, when the context ends.
func (c *Conn) Pace(ctx context.Context) error { return c.m.pacer().Wait(ctx) }

func (m *member) pacer() *rate.Limiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pace == nil {
		m.pace = people.NewPace()
	}
	return m.pace
}
