package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
)

// recoverLease is how long a node that compares a fallen partition may be silent
// before another does it.
const recoverLease = 15 * time.Second

// recovered carries out the timer `recover` of a partition that fell back: the
// archive's side and the places of agents are compared with it and mended. One
// node at a time does it; all of it may be done any number of times.
func (b *Broker) recovered(_ context.Context, p store.Partition, id string) error {
	pulse := b.pulses[p.Index]
	if !pulse.mending.TryLock() {
		return store.ErrAgain
	}
	defer pulse.mending.Unlock()
	ctx, cancel := context.WithCancel(b.store.Life) // it takes as long as it takes: the lease is its own
	defer cancel()
	lease := func(ttl time.Duration) (bool, error) {
		r, err := b.store.Run(ctx, "hold", []string{p.Recovering()}, b.store.Node, ttl.Milliseconds())
		return r.Num(0) == 1, err
	}
	if mine, err := lease(recoverLease); err != nil || !mine {
		return errors.Join(err, store.ErrAgain)
	}
	defer func() { _, _ = lease(0) }() // else it runs out
	b.store.Tasks.Go(func() {
		for store.Sleep(ctx, recoverLease/3) {
			if mine, err := lease(recoverLease); err == nil && !mine {
				cancel() // it was silent for too long
			}
		}
	})
	if err := b.mend(ctx, p, id); err != nil {
		if b.mends.Again() && ctx.Err() == nil {
			b.store.Log.Warn("a partition is not compared to the end; it is tried again", "partition", p.Index, "error", err)
		}
		return store.ErrAgain
	}
	return b.store.Done(ctx, []string{p.Timers()}, "", "recover|"+id)
}

// mend compares one partition with the archive, and with the loads of all agents it
// concerns; those once for each id, though the archive may keep it waiting.
func (b *Broker) mend(ctx context.Context, p store.Partition, id string) error {
	began, pulse := time.Now(), b.pulses[p.Index]
	var moved places.Rectified
	var c archiving.Compared
	var err error
	if b.archiver != nil {
		err = b.archiver.CompareAll(ctx, p, b.broughtBack(&moved), &c)
	}
	if err == nil || pulse.placed != id {
		parts := b.store.Parts
		if !b.store.Sharded && strings.Contains(id, "|server") { // one server has all partitions: each looks after its own then
			parts = []store.Partition{p}
		}
		placing := b.places.Reconcile(ctx, parts, p, &moved)
		if placing == nil {
			pulse.placed = id
		}
		err = errors.Join(err, placing)
	}
	if err == nil {
		pulse.placed = ""
		level := slog.LevelInfo
		if c.Recovered.Load()+c.Superseded.Load()+moved.Places.Load()+moved.Vacated.Load() > 0 {
			level = slog.LevelWarn
		}
		b.store.Log.Log(ctx, level, "a partition that may have fallen back was compared", "partition", p.Index, "sessions", c.Seen.Load(),
			"behind", time.Duration(c.Behind.Load())*time.Millisecond, "recovered", c.Recovered.Load(), "superseded", c.Superseded.Load(),
			"places", moved.Places.Load(), "requeued", moved.Vacated.Load(), "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// broughtBack makes a session that came back known to its agents' partitions and to who is connected.
func (b *Broker) broughtBack(n *places.Rectified) func(ctx context.Context, back *archiving.Revived) error {
	return func(ctx context.Context, back *archiving.Revived) error {
		for _, agent := range back.Agents() {
			if err := b.places.Rectify(ctx, agent, back.Doc.ID, n); err != nil {
				return err
			}
		}
		return b.people.Tell(ctx, chat.RoleUser, back.Doc.User, chat.Personal{Kind: "mine", Session: back.Doc.ID})
	}
}
