package broker

import (
	"context"

	"bellhop/broker/internal/store"
)

// fellBack compares all that this node holds of a partition with Redis. Whatever
// else must be compared (places, the archive) is the timer `recover`'s, which any
// one node carries out.
func (b *Broker) fellBack(ctx context.Context, p *pulse, before store.Epoch) {
	b.fallen.Add(1)
	b.store.Log.Warn("Redis is another server, or its keys went back: everything of the partition is compared", "partition", p.part.Index,
		"run", p.epoch.Run, "epoch", p.epoch.N, "ticks", p.epoch.Ticks, "ticksBefore", before.Ticks)
	if p.epoch.N <= before.N { // only memory tells it: nobody has counted this one
		r, err := b.store.Run(ctx, "renew", []string{p.part.Epoch(), p.part.Timers()}, p.epoch.N)
		if err != nil {
			p.epoch = before // noticed again at the next tick
			b.store.Log.Warn("a fall-back is not told yet; again in a second", "partition", p.part.Index, "error", err)
			return
		}
		p.epoch.N = r.Num(0)
	}
	b.store.LookEmptied(ctx)
	b.hub.Compare(p.part)
}

// restored has what this node holds compared with a Redis that has its data again.
func (b *Broker) restored(ctx context.Context) {
	b.lookRenumbered(ctx)
	b.hub.Compare(b.store.Parts...)
}

// Fallbacks are one node's counts since it started.
type Fallbacks struct {
	Seen       int64 // partitions whose server changed or whose keys went back
	Resets     int64 // conversations that were told to begin anew
	Lost       int64 // messages that were delivered here and are not in Redis any more
	Recovered  int64 // sessions that came back from the archive
	Superseded int64 // archived messages whose seq is another's now
	Placed     int64 // places given to, or taken from, agents' loads
}

// Fallbacks tells what this node saw of Redis falling back, and did about it.
func (b *Broker) Fallbacks() Fallbacks {
	f := Fallbacks{Seen: b.fallen.Load(), Resets: b.hub.Resets(), Lost: b.hub.Lost(), Placed: b.places.Rectifications()}
	if b.archiver != nil {
		f.Recovered, f.Superseded = b.archiver.Recoveries()
	}
	return f
}
