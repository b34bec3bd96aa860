package routing

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// How a dispatcher knows its queue's agents. It reads them once, a partition at a time, from
// `crews`. Afterwards it hears of each change by the queue's channel. Each partition counts what
// it tells in `presences`, and what comes bears that number: a gap between two, or a number
// in Redis that never came, is an event that was lost, and that partition's agents are read again.
// Nothing else reads them, so what nobody changes costs nothing.

const (
	musterPatience = 5 * time.Second // of one reading
	musterWidth    = 4               // partitions whose agents are read at a time
)

// ear is what a dispatcher has heard of one partition's agents.
type ear struct {
	told int64 // the number of the last presence heard, or that was told before they were read
	// What was missed: the last number, and the reading that makes up for it whatever its numbers
	// say, since it begins afterwards; 0: nothing was.
	missed, need int64
}

// miss notes that what was told up to a number was not all heard. d.mu is held.
func (d *dispatcher) miss(e *ear, last int64) {
	e.missed, e.need = max(e.missed, last), d.readings+1
}

// Present takes over how an agent is now; told is the number of this presence, 0 from a node of a version
// that does not count.
func (d *dispatcher) Present(told int64, presence, idle string) {
	var p struct {
		Agent    string
		Status   chat.Status
		Load     int
		Capacity int
	}
	if err := json.Unmarshal([]byte(presence), &p); err != nil {
		d.store.Log.Error("unreadable event", "queue", d.queue, "error", err)
		return
	}
	since, _ := strconv.ParseInt(idle, 10, 64)
	m := mate{id: p.Agent, online: p.Status == chat.Online, load: p.Load, capacity: p.Capacity, idle: since}
	d.mu.Lock()
	d.events++
	m.heard, m.event = d.readings, d.events
	d.crew.set(m)
	e, gap := &d.ears[d.store.Home(p.Agent).Index], false
	if told > e.told {
		if gap = told > e.told+1; gap {
			d.miss(e, told-1)
		}
		e.told = told
	}
	d.mu.Unlock()
	if m.room() || gap {
		d.wake()
	}
}

// Anew is told that the list was read again, since something may not have been heard.
func (d *dispatcher) Anew() {
	d.doubt.Store(true)
	d.wake()
}

// compare takes what Redis said of the presences told in a partition; before is what had been heard when it was asked,
// and enough time has gone by for what was told then to have come.
func (d *dispatcher) compare(part int, before, told int64) {
	d.mu.Lock()
	e := &d.ears[part]
	switch {
	case told < before: // Redis fell back
		e.told = 0
		d.miss(e, math.MaxInt64)
	case told > e.told:
		d.miss(e, told)
	}
	lost := e.need > 0
	d.mu.Unlock()
	if lost {
		d.wake()
	}
}

// heard is the number of the last presence of each partition.
func (d *dispatcher) heard() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]int64, len(d.ears))
	for i := range d.ears {
		out[i] = d.ears[i].told
	}
	return out
}

// muster has agents read whose presences were missed, beside what else is done; true once all were read,
// as far as Redis answered.
func (d *dispatcher) muster(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var parts []store.Partition
	for i, p := range d.store.Parts {
		if d.ears[i].need > 0 {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 || d.reading || time.Since(d.failed) < lookPause {
		return d.read
	}
	d.reading = true
	d.readings++
	d.store.Tasks.Go(func() { d.readAll(ctx, parts) })
	return d.read
}

// readAll reads the agents of some partitions.
func (d *dispatcher) readAll(ctx context.Context, parts []store.Partition) {
	ctx, cancel := context.WithTimeout(ctx, musterPatience)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(musterWidth)
	for _, p := range parts {
		g.Go(func() error { return d.readPart(ctx, p) })
	}
	err := g.Wait()
	d.mu.Lock()
	d.reading, d.read = false, true
	if err != nil {
		d.failed = time.Now()
	}
	d.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		d.store.Log.Warn("agents of a queue not read; again in a second", "queue", d.queue, "error", err)
	}
	d.wake()
}

// readPart reads those of one partition. Who was heard of since it began is as it was heard.
func (d *dispatcher) readPart(ctx context.Context, p store.Partition) error {
	var list []mate
	told, err := d.crews.Crew(ctx, p, d.queue, func(a chat.Profile, load int) { list = append(list, mateOf(a, load)) })
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	here := make(map[string]bool, len(list))
	for _, is := range list {
		here[is.id] = true
		if m := d.crew.by[is.id]; m == nil || m.heard < d.readings {
			d.crew.set(is)
		}
	}
	for id, m := range d.crew.by {
		if !here[id] && m.heard < d.readings && d.store.Home(id).Index == p.Index {
			d.crew.remove(id)
		}
	}
	e := &d.ears[p.Index]
	e.told = max(e.told, told)
	if e.need <= d.readings || e.missed <= told {
		e.missed, e.need = 0, 0
	}
	return nil
}
