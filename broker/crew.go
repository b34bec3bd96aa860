package broker

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

// crew reads a queue's agents. Its cost grows with the number of all known agents.
func (b *Broker) crew(ctx context.Context, queue string) (map[string]*mate, error) {
	out := map[string]*mate{}
	err := b.people.EachAgent(ctx, func(p chat.Profile, load int) {
		if chat.Contains(p.Queues, queue) {
			out[p.ID] = &mate{p.ID, p.Status == chat.Online && !p.Disabled, load, p.Capacity, p.IdleAt}
		}
	})
	return out, err
}

// present takes over how an agent is now. v.mu is held.
func (v *view) present(presence, idle string) {
	if v.crew == nil {
		return
	}
	var p struct {
		Agent    string
		Status   chat.Status
		Load     int
		Capacity int
	}
	if err := json.Unmarshal([]byte(presence), &p); err != nil {
		v.h.b.Log.Error("unreadable event", "queue", v.queue, "error", err)
		return
	}
	since, _ := strconv.ParseInt(idle, 10, 64)
	v.crew[p.Agent] = &mate{p.Agent, p.Status == chat.Online, p.Load, p.Capacity, since}
	if v.crew[p.Agent].room() {
		v.stirred("")
	}
}

func (v *view) stirred(session string) {
	if v.stir != nil {
		v.stir(session)
	}
}
