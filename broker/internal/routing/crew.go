package routing

import (
	"cmp"
	"container/heap"

	"bellhop/broker/chat"
)

// mate is an agent of a queue as far as assigning goes.
type mate struct {
	id       string
	idle     int64 // ms: since when nothing has come to it or gone from it
	heard    int64 // during which reading it was heard of last
	event    int64 // which event was the last that told of it
	load     int
	capacity int
	at       int // its place in the heap; -1: it is not there
	online   bool
}

func mateOf(p chat.Profile, load int) mate {
	return mate{id: p.ID, online: p.Status == chat.Online && !p.Disabled, load: load, capacity: p.Capacity, idle: p.IdleAt}
}

func (m *mate) room() bool { return m.online && m.load < m.capacity }

// compare puts whom the next session goes to first: the least load, then the longest idle.
func (m *mate) compare(o *mate) int {
	return cmp.Or(cmp.Compare(m.load, o.load), cmp.Compare(m.idle, o.idle), cmp.Compare(m.id, o.id))
}

// crew are a queue's agents. A change of one costs the logarithm of their number, and so does a place given.
type crew struct {
	by    map[string]*mate
	free  mates // those with room
	rooms int   // places that these have
}

func newCrew() crew { return crew{by: map[string]*mate{}} }

// set takes over how an agent is now.
func (c *crew) set(is mate) {
	m := c.by[is.id]
	if m == nil {
		m = &mate{at: -1}
		c.by[is.id] = m
	}
	c.change(m, func() {
		is.at = m.at
		*m = is
	})
}

func (c *crew) remove(id string) {
	if m := c.by[id]; m != nil {
		c.hide(m)
		delete(c.by, id)
	}
}

// change lets f change an agent and gives it the place that it has then.
func (c *crew) change(m *mate, f func()) {
	if m.at >= 0 {
		c.rooms -= m.capacity - m.load
	}
	f()
	switch {
	case m.room() && m.at >= 0:
		c.rooms += m.capacity - m.load
		heap.Fix(&c.free, m.at)
	case m.room():
		c.rooms += m.capacity - m.load
		heap.Push(&c.free, m)
	case m.at >= 0:
		heap.Remove(&c.free, m.at)
	}
}

// hide takes an agent out of those with room, until it is changed.
func (c *crew) hide(m *mate) {
	if m.at >= 0 {
		c.rooms -= m.capacity - m.load
		heap.Remove(&c.free, m.at)
	}
}

// next is whom the next session goes to; nil where nobody has room.
func (c *crew) next() *mate {
	if len(c.free) == 0 {
		return nil
	}
	return c.free[0]
}

// mates is a heap of agents with room, the next to get a session first.
type mates []*mate

func (h mates) Len() int           { return len(h) }
func (h mates) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h mates) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap.Interface's.
func (h *mates) Push(x any) {
	m, _ := x.(*mate)
	m.at = len(*h)
	*h = append(*h, m)
}

// Pop takes the last out.
func (h *mates) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1], last.at = nil, -1
	*h = old[:len(old)-1]
	return last
}
