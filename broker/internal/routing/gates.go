package routing

import (
	"errors"
	"sync"
	"time"

	"bellhop/broker/chat"
)

// Gates let one contender for a session through at a time.
type Gates struct {
	mu sync.Mutex
	by map[string]*Gate
}

// Gate is one contender's way to a session.
type Gate struct {
	Done   chan struct{} // closed when the one inside is through
	inside bool
	Hot    bool      // somebody lost or won here lately
	Winner string    // who has it, once known; set before done is closed
	since  time.Time // of the last one through
}

const (
	hotFor   = 10 * time.Second
	maxGates = 10000 // sessions that agents tried to grab lately; names of made-up ones, too
)

// Enter gives the gate, and whether the caller is the one inside.
func (g *Gates) Enter(session string) (*Gate, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*Gate{}
	}
	old := g.by[session]
	if old != nil && old.inside {
		return old, false
	}
	now := &Gate{Done: make(chan struct{}), inside: true, Hot: old != nil && time.Since(old.since) < hotFor}
	if old != nil || len(g.by) < maxGates { // without one, Redis alone decides
		g.by[session] = now
	}
	return now, true
}

// Leave lets the next through, who hears who has won if err says so.
func (g *Gates) Leave(gt *Gate, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *chat.Error
	if errors.As(err, &e) && e.Code == chat.CodeTaken {
		gt.Winner = e.By
	}
	gt.inside, gt.since = false, time.Now()
	close(gt.Done)
}

// Free puts those nobody contends for first.
func (g *Gates) Free(line []string) []string {
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

// Sweep forgets sessions that nobody contends for.
func (g *Gates) Sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s, gt := range g.by {
		if !gt.inside && time.Since(gt.since) > hotFor {
			delete(g.by, s)
		}
	}
}
