package live

import (
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const sweepPause = time.Minute

// Start begins the hub's loops.
func (h *Hub) Start() {
	h.store.Loop(sweepPause, func(context.Context) {
		h.sweep()
		h.fade()
	})
	h.store.Loop(reassertPause, func(ctx context.Context) {
		for _, p := range h.parts {
			p.reassert(ctx)
		}
	})
	h.store.Loop(farewellPause, h.sayFarewells)
	h.store.Loop(positionPause, h.positions)
	h.store.Loop(resetPause, func(context.Context) { h.views.resync() })
}

// Owe has every connection of a partition told to Redis again, as soon as Redis takes it.
func (h *Hub) Owe(p store.Partition) { h.parts[p.Index].owe() }

// Compare has all that this node holds of partitions compared with Redis, which fell
// back or was restored, and their connections told to it again.
func (h *Hub) Compare(parts ...store.Partition) {
	list := make([]*hubPart, len(parts))
	for i, p := range parts {
		list[i] = h.parts[p.Index]
		list[i].owe()
	}
	h.resync(list...)
}

// Resets is how many conversations were told to begin anew, since the start.
func (h *Hub) Resets() int64 { return h.resets.Load() }

// Lost is how many messages were delivered here and were not in Redis any more.
func (h *Hub) Lost() int64 { return h.lost.Load() }

// sweep lets go of sessions that ended more than an hour ago.
func (h *Hub) sweep() {
	for _, p := range h.parts {
		p.mu.Lock()
		var old []*feed
		for _, f := range p.feeds {
			old = append(old, f)
		}
		p.mu.Unlock()
		for _, f := range old {
			f.sweep()
		}
	}
}

func (f *feed) sweep() {
	f.mu.Lock()
	defer f.unlock()
	if f.st == nil || f.st.Ended == nil || time.Since(f.st.Ended.Time) <= chat.Lately {
		return
	}
	for _, m := range f.seats {
		f.remove(m)
	}
}
