package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker"
)

// parallel does n things, so many at a time.
func parallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// bare is a Redis and a folder, for benchmarks of parts in this process.
type bare struct {
	bed
	stores *stores
}

func newBare(ctx context.Context, store string) (b *bare, err error) {
	b = &bare{}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "bellhop-bench-"); err != nil {
		return b, err
	}
	if b.redis, b.rdb, err = startRedis(ctx); err != nil {
		return b, err
	}
	b.stores, err = newStores(ctx, store, b.dir)
	return b, err
}

func (b *bare) stop() {
	if b.stores != nil {
		b.stores.stop()
	}
	b.bed.stop()
}

type archiveCommand struct {
	Store    string `enum:"sqlite,mongo" default:"sqlite" help:"sqlite, or mongo: a FerretDB that the benchmark builds and starts."`
	Sessions int    `default:"1000" help:"Sessions with something to archive."`
	Each     int    `default:"50" help:"Messages in each."`
	Rounds   int    `default:"3" help:"Rounds; raw inserts and the archiver alternate."`
}

type archiveReport struct {
	Store    string
	Messages int
	Rounds   []archiveRound
}

type archiveRound struct {
	Raw          float64
	Acknowledged float64 // of the archiver's, as it comes in a burst
	Archiver     float64 // until all is where it stays
	Ratio        float64
}

// measure measures, alternating, what the store takes and what the archiver gives it.
func (c *archiveCommand) measure(ctx context.Context) (report, error) {
	b, err := newBare(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	r := &archiveReport{Store: c.Store, Messages: c.Sessions * (c.Each + 1)} // each begins with a system message
	for range c.Rounds {
		seen := &recorder{}
		heard, own, err := c.archiver(ctx, b, r.Messages, seen)
		if err != nil {
			return nil, err
		}
		raw, err := c.raw(ctx, b, seen.batches)
		if err != nil {
			return nil, err
		}
		r.Rounds = append(r.Rounds, archiveRound{raw, heard, own, own / raw})
	}
	return r, nil
}

// recorder keeps the batches that a store is given.
type recorder struct {
	archive.Archive
	batches [][]archive.Message
}

// PutMessages implements archive.Archive.
func (r *recorder) PutMessages(ctx context.Context, m []archive.Message) ([]archive.Rejected, error) {
	r.batches = append(r.batches, m)
	return r.Archive.PutMessages(ctx, m)
}

// raw is the rate of one who has the same batches at hand and nothing to do but insert them.
func (c *archiveCommand) raw(ctx context.Context, b *bare, batches [][]archive.Message) (float64, error) {
	store, err := b.stores.open(ctx)
	if err != nil {
		return 0, err
	}
	n, began := 0, time.Now()
	for _, m := range batches {
		if _, err := store.PutMessages(ctx, m); err != nil {
			return 0, err
		}
		n += len(m)
	}
	err = settled(ctx, store)
	return float64(n) / time.Since(began).Seconds(), err
}

// settled waits until a store has put what it took where it stays.
func settled(ctx context.Context, store archive.Archive) error {
	if s, ok := store.(interface {
		Settle(ctx context.Context) error
	}); ok {
		return s.Settle(ctx)
	}
	return nil
}

// archiver is the rate at which all that is in Redis gets into the archive,
// sessions' documents and marks in Redis included: until it is acknowledged, and
// until it is where it stays.
func (c *archiveCommand) archiver(ctx context.Context, b *bare, n int, seen *recorder) (heard, rate float64, err error) {
	rdb, err := flushed(ctx, b.rdb)
	if err != nil {
		return 0, 0, err
	}
	store, err := b.stores.open(ctx)
	if err != nil {
		return 0, 0, err
	}
	seen.Archive = store
	idle, err := quietBroker(ctx, rdb, store, false)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = idle.Close(ctx) }()
	if err := talk(ctx, idle, c.Sessions, c.Each); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	node, err := quietBroker(ctx, rdb, seen, true)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = node.Close(ctx) }()
	for node.ArchiveStats().Saved < int64(n) {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	if err := whole(ctx, node); err != nil {
		return 0, 0, err
	}
	began = time.Now()
	err = settled(ctx, store)
	return float64(n) / took.Seconds(), float64(n) / (took + time.Since(began)).Seconds(), err
}

// whole waits until the archive lacks nothing.
func whole(ctx context.Context, b *broker.Broker) error {
	return until(ctx, func() error {
		lag, err := b.Lag(ctx)
		if err == nil && lag.Sessions > 0 {
			err = fmt.Errorf("%d sessions are not archived", lag.Sessions)
		}
		return err
	})
}

type memoryCommand struct {
	Sessions int `default:"5000" help:"Open sessions."`
	Each     int `default:"50" help:"Messages in each, of about 40 characters."`
}

type memoryReport struct {
	Sessions int
	Each     int
	Session  float64
	Message  float64 // all told, divided by messages
}

// measure measures what open sessions cost Redis.
func (c *memoryCommand) measure(ctx context.Context) (report, error) {
	b, err := newBare(ctx, "sqlite")
	if err != nil {
		return nil, err
	}
	defer b.stop()
	store, err := b.stores.open(ctx)
	if err != nil {
		return nil, err
	}
	node, err := quietBroker(ctx, b.rdb, store, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = node.Close(ctx) }()
	before, err := usedMemory(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := talk(ctx, node, c.Sessions, c.Each); err != nil {
		return nil, err
	}
	after, err := usedMemory(ctx, b)
	each := float64(after-before) / float64(c.Sessions)
	if err != nil {
		return nil, err
	}
	return &memoryReport{c.Sessions, c.Each, each, each / float64(c.Each+1)}, nil
}

func usedMemory(ctx context.Context, b *bare) (n int64, err error) {
	text, err := b.rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "used_memory:")
	_, err = fmt.Sscan(rest, &n)
	return n, err
}
