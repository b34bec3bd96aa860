package broker

import (
	"errors"
	"sync"
	"time"

	"bellhop/broker/chat"
)

// gates let one contender for a session through at a time.
type gates struct {
	mu sync.Mutex
	by map[string]*gate
}

type gate struct {
	done   chan struct{} // closed when the one inside is through
	inside bool
	hot    bool      // somebody lost or won here lately
	winner string    // who has it, once known; set before done is closed
	since  time.Time // of the last one through
}

const (
	hotFor   = 10 * time.Second
	maxGates = 10000 // sessions that agents tried to grab lately; names of made-up ones, too
)

// enter gives the gate, and whether the caller is the one inside.
func (g *gates) enter(session string) (*gate, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*gate{}
	}
	old := g.by[session]
	if old != nil && old.inside {
		return old, false
	}
	now := &gate{done: make(chan struct{}), inside: true, hot: old != nil && time.Since(old.since) < hotFor}
	if old != nil || len(g.by) < maxGates { // without one, Redis alone decides
		g.by[session] = now
	}
	return now, true
}

func (g *gates) leave(gt *gate, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *chat.Error
	if errors.As(err, &e) && e.Code == chat.CodeTaken {
		gt.winner = e.By
	}
	gt.inside, gt.since = false, time.Now()
	close(gt.done)
}

// free puts those nobody contends for first.
func (g *gates) free(line []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, busy := make([]string, 0, len(line)), []string(nil)
	for _, s := range line {
		if gt := g.by[s]; gt != nil && gt.inside {
			busy = append(busy, s)
		} else {
			out = append(out, s)
		}
	}
	return append(out, busy...)
}

func (g *gates) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s, gt := range g.by {
		if !gt.inside && time.Since(gt.since) > hotFor {
			delete(g.by, s)
		}
	}
}
