package routing

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"

	"bellhop/broker/chat"
)

// mate is an agent of a queue as far as assigning goes.
type mate struct {
	id       string
	online   bool
	load     int
	capacity int
	idle     int64 // ms: since when nothing has come to it or gone from it
}

func (m *mate) room() bool { return m.online && m.load < m.capacity }

// compare puts whom the next session goes to first: the least load, then the longest idle.
func (m *mate) compare(o *mate) int {
	return cmp.Or(cmp.Compare(m.load, o.load), cmp.Compare(m.idle, o.idle), cmp.Compare(m.id, o.id))
}

// agents reads a queue's agents. Its cost grows with the number of all known agents.
func (ds *Dispatchers) agents(ctx context.Context, queue string) (map[string]*mate, error) {
	out := map[string]*mate{}
	err := ds.needs.EachAgent(ctx, func(p chat.Profile, load int) {
		if chat.Contains(p.Queues, queue) {
			out[p.ID] = &mate{p.ID, p.Status == chat.Online && !p.Disabled, load, p.Capacity, p.IdleAt}
		}
	})
	return out, err
}

// The dispatcher follows its queue's view: see Follower.

// Read reads the queue's agents beside its list.
func (d *dispatcher) Read(ctx context.Context) (keep func(), err error) {
	crew, err := d.agents(ctx, d.queue)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.crew = crew
	}, err
}

// Present takes over how an agent is now.
func (d *dispatcher) Present(presence, idle string) {
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
	m := &mate{p.Agent, p.Status == chat.Online, p.Load, p.Capacity, since}
	room := m.room()
	d.mu.Lock()
	d.crew[p.Agent] = m
	d.mu.Unlock()
	if room {
		d.Stir("")
	}
}

// Stir has it look again.
func (d *dispatcher) Stir(session string) {
	d.mu.Lock()
	delete(d.passed, session) // it waits again
	d.mu.Unlock()
	select {
	case d.kick <- struct{}{}:
	default:
	}
}
