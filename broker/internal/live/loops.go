package live

import (
	"context"
	"time"

	"bellhop/broker/chat"
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
}

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
