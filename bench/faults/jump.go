package faults

import (
	"context"
	"time"
)

// step is when Redis's clock came to be ahead of this machine's by so much (behind, where that is negative);
// a run's first one is its beginning.
type step struct {
	from, to time.Time // by this machine's clock; between the two it was set
	ahead    time.Duration
}

// jumpNode has a node's clock off for a while.
func (d *deployment) jumpNode(ctx context.Context, n *node, f Fault) {
	whole := context.WithoutCancel(ctx)
	if err := eventually(whole, d.limit(20*time.Second), func() error { return n.ready(whole) }); err != nil {
		d.h.Fatalf("%v", err)
	}
	pid := n.pid()
	if err := setClock(pid, f.By); err != nil {
		d.h.Fatalf("%v", err)
	}
	sleep(ctx, f.Lasts)
	if n.pid() != pid { // it has ended, and starts with a clock that is right
		return
	}
	if err := setClock(pid, 0); err != nil {
		d.h.Fatalf("%v", err)
	}
}

// jumpRedis has Redis's clock off for a while, by which all timers of sessions go.
func (d *deployment) jumpRedis(ctx context.Context, f Fault) {
	set := func(ahead time.Duration) {
		s := step{from: time.Now(), ahead: ahead}
		err := setClock(d.redis.Pid(), ahead)
		s.to = time.Now()
		d.mu.Lock()
		d.clock = append(d.clock, s)
		d.mu.Unlock()
		if err != nil {
			d.h.Fatalf("%v", err)
		}
	}
	set(f.By)
	sleep(ctx, f.Lasts)
	set(0)
}

func (d *deployment) clockSteps() []step {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]step(nil), d.clock...)
}

func (d *deployment) owed() time.Duration { return owed(d.clockSteps(), time.Now()) }

// owed is for how much longer than its time a timer may still run, because Redis's clock went back.
func owed(steps []step, now time.Time) (most time.Duration) {
	for i, s := range steps {
		ahead := time.Duration(0) // just before this step, when such a timer was set at the latest
		if i > 0 {
			ahead = steps[i-1].ahead
		}
		most = max(most, ahead-steps[len(steps)-1].ahead-now.Sub(s.to))
	}
	return most
}

// when is the time, by this machine's clock, that Redis called at: between from and to.
func when(steps []step, at time.Time) (from, to time.Time) {
	const slack = 100 * time.Millisecond // Redis looks at its clock before it begins with what it was sent
	for i, s := range steps {
		t := at.Add(-s.ahead)
		if t.Before(s.from.Add(-slack)) || i+1 < len(steps) && t.After(steps[i+1].to.Add(slack)) {
			continue // it was not like that then
		}
		if from.IsZero() || t.Before(from) {
			from = t
		}
		if t.After(to) {
			to = t
		}
	}
	if from.IsZero() {
		return at, at
	}
	return from, to
}
