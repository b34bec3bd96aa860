package broker

import (
	"context"
	"time"

	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

const (
	tickPause = time.Second // timers fire at most this late, and a Redis round trip
	tidyPause = time.Minute
)

// works tells whether this node looks after a partition now: two nodes do, and what they do
// is leased, so that it may be any number.
func (b *Broker) works(p store.Partition) bool { return b.heart.works(p) }

// loops starts the background work. Any node does any of it: no leader, no
// leases but those that take.lua and collect.lua give.
func (b *Broker) loops() {
	for _, p := range b.pulses {
		b.store.Tasks.Go(func() { p.run(b.store.Life) })
	}
	b.store.Tasks.Go(func() { b.heart.run(b.store.Life) })
	b.store.Beside("the nodes' channel", func() {
		home := b.store.Parts[0] // should it not be heard, each beat tells the same
		_ = b.hub.Subscriber(home).Add(b.store.Life, home.Alive())
	})
	b.store.Loop(routing.ReadPause, func(ctx context.Context) {
		if err := b.settings.Load(ctx); err != nil && ctx.Err() == nil {
			b.store.Log.Warn("queue settings not read; the last ones hold", "error", err)
		}
	})
	b.store.Loop(routing.ReadPause, func(ctx context.Context) { b.lookRenumbered(ctx) }) // where what told of it was lost
	b.store.Loop(tidyPause, func(context.Context) {
		b.limits.Sweep()
		b.gates.Sweep()
	})
	b.store.Loop(tickPause, b.dispatchers.Tend)
	if !b.opt.NoArchiver {
		b.counts.Start()
	}
	b.hub.Start()
	b.hall.Start()
	if b.archiver != nil && !b.opt.NoArchiver {
		b.archiver.Start()
	}
	b.hooks.Start()
}
