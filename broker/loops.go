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
	})
	b.Loop(tickPause, b.dispatchers.tend)
	if !b.opt.NoArchiver {
		b.counts.Start()
	}
	b.hub.Start()
	if b.archiver != nil && !b.opt.NoArchiver {
		b.archiver.Start()
	}
	b.hooks.Start()
}
