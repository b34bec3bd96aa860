package broker

import (
	"context"

	"bellhop/broker/chat"
)

// epoch is what a partition's server and keys said of themselves at one moment;
// scripts/lib/epoch.lua says how it grows.
type epoch struct {
	run      string // the server's run id; the embedded one has none
	n, ticks int64
}

// fell tells whether Redis may have fallen back between two looks: another server
// answers, somebody said so, or what only grows has not grown. A counter alone
// would be too coarse (a tail of 50 ms holds no tick), and a run id does not
// tell of keys that were restored or removed under a running server.
func (e epoch) fell(now epoch) bool {
	return e != (epoch{}) && (now.run != e.run || now.n != e.n || now.ticks <= e.ticks)
}

// fellBack compares all that this node holds of a partition with Redis. Whatever
// else must be compared (places, the archive) is the timer `recover`'s, which any
// one node carries out.
func (b *Broker) fellBack(ctx context.Context, p *pulse, before epoch) {
	b.fallen.Add(1)
	b.log.Warn("Redis is another server, or its keys went back: everything of the partition is compared", "partition", p.part.index,
		"run", p.epoch.run, "epoch", p.epoch.n, "ticks", p.epoch.ticks, "ticksBefore", before.ticks)
	if p.epoch.n <= before.n { // only memory tells it: nobody has counted this one
		r, err := b.run(ctx, "renew", []string{p.part.epoch(), p.part.timers()}, p.epoch.n)
		if err != nil {
			p.epoch = before // noticed again at the next tick
			b.log.Warn("a fall-back is not told yet; again in a second", "partition", p.part.index, "error", err)
			return
		}
		p.epoch.n = r.num(0)
	}
	b.lookEmptied(ctx)
	part := b.hub.parts[p.part.index]
	part.owe()
	b.wg.Go(func() { part.resync(b.ctx) })
	b.wg.Go(b.hub.views.resync)
}

// lookEmptied finds out whether Redis has lost everything: then nothing may be
// built on what is left of it before it has been restored.
func (b *Broker) lookEmptied(ctx context.Context) {
	there, err := b.rdb.Exists(ctx, partitionsKey).Result()
	if err != nil {
		return // the next tick asks again
	}
	if there == 0 && !b.emptied.Swap(true) {
		b.log.Error("Redis was emptied: nothing is served until `bellhop restore` has been run, or its data is back")
	}
}

// lookRestored ends that, once a restore has ended.
func (b *Broker) lookRestored(ctx context.Context) {
	there, err := b.rdb.Exists(ctx, partitionsKey).Result()
	if err != nil || there == 0 {
		return
	}
	if begun, err := b.rdb.Exists(ctx, restoringKey).Result(); err != nil || begun > 0 {
		return
	}
	b.emptied.Store(false)
	b.log.Info("Redis has its data again")
	for _, part := range b.hub.parts {
		part.owe()
		b.wg.Go(func() { part.resync(b.ctx) })
	}
	b.wg.Go(b.hub.views.resync)
}

// errEmptied answers every command while Redis is empty.
var errEmptied = chat.Errorf(chat.CodeUnavailable, "the store has lost its data and is being restored; try again")

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
	return Fallbacks{b.fallen.Load(), b.resets.Load(), b.lost.Load(), b.recoveries.Load(), b.superseded.Load(), b.placed.Load()}
}
