package broker

import (
	"context"

	"bellhop/broker/internal/store"
)

// fellBack has a partition compared that this node has seen fall back, here and, where only memory
// tells it, at the others.
func (b *Broker) fellBack(ctx context.Context, p *pulse, before store.Epoch) {
	if now := p.now(); now.N <= before.N { // nobody has counted this one
		r, err := b.store.Run(ctx, "renew", []string{p.part.Epoch(), p.part.Timers()}, now.N, before.N)
		p.looks.Lock()
		if err != nil {
			p.epoch = before // noticed again at the next look
		} else {
			p.epoch.N = r.Num(0)
		}
		p.looks.Unlock()
		if err != nil {
			b.store.Log.Warn("a fall-back is not told yet; again in a second", "partition", p.part.Index, "error", err)
			return
		}
	}
	b.compare(ctx, p, before)
}

// compare compares all that this node holds of a partition with Redis. Whatever
// else must be compared (places, the archive) is the timer `recover`'s, which any
// one node carries out.
func (b *Broker) compare(ctx context.Context, p *pulse, before store.Epoch) {
	b.fallen.Add(1)
	now := p.now()
	b.store.Log.Warn("Redis is another server, or its keys went back: everything of the partition is compared", "partition", p.part.Index,
		"run", now.Run, "epoch", now.N, "ticks", now.Ticks, "ticksBefore", before.Ticks)
	b.store.LookEmptied(ctx)
	b.announce(p.part) // its list of nodes went back, too
	b.hub.Compare(p.part)
}

// restored has what this node holds compared with a Redis that has its data again.
func (b *Broker) restored(ctx context.Context) {
	b.lookRenumbered(ctx)
	b.announce(b.store.Parts...)
	b.hub.Compare(b.store.Parts...)
	if err := b.settings.Load(b.store.Life); err != nil { // what was restored tells of no change
		b.store.Log.Warn("queue settings not read; again in a minute", "error", err)
	}
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
