package broker

import (
	"context"
	"time"
)

const (
	tickPause = time.Second // timers fire at most this late, and a Redis round trip
	tidyPause = time.Minute
)

// loops starts the background work. Any node does any of it: no leader, no
// leases but those that take.lua and collect.lua give.
func (b *Broker) loops() {
	for _, p := range b.pulses {
		b.Tasks.Go(func() { p.run(b.Life) })
	}
	b.Loop(settingsPause, func(ctx context.Context) {
		if err := b.settings.load(ctx, b); err != nil && ctx.Err() == nil {
			b.Log.Warn("queue settings not read; the last ones hold", "error", err)
		}
	})
	b.Loop(tidyPause, func(context.Context) {
		b.limits.Sweep()
		b.gates.sweep()
		b.hub.sweep()
		b.hub.fade()
	})
	b.Loop(reassertPause, func(ctx context.Context) {
		for _, p := range b.hub.parts {
			p.reassert(ctx)
		}
	})
	b.Loop(tickPause, func(ctx context.Context) { b.farewells.say(ctx, b) })
	b.Loop(positionPause, b.positions)
	b.Loop(tickPause, b.dispatchers.tend)
	if !b.opt.NoArchiver {
		b.counts.Start()
	}
	b.Loop(resetPause, func(context.Context) { b.hub.views.resync() })
	if b.archiver != nil && !b.opt.NoArchiver {
		b.archiver.Start()
	}
	b.hooks.Start()
}

// sweep lets go of sessions that ended more than an hour ago.
func (h *hub) sweep() {
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
	if f.st == nil || f.st.Ended == nil || time.Since(f.st.Ended.Time) <= lately {
		return
	}
	for _, m := range f.seats {
		f.remove(m)
	}
}
