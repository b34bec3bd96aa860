package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// firstPartitions is how many there are where nobody says: four for each of 16 masters.
const firstPartitions = 64

// fixPartitions writes which partitions there are at the first start and reads it at later
// ones, once no repartition is under way.
func (b *Broker) fixPartitions(ctx context.Context) (n store.Numbering, err error) {
	want := b.opt.Partitions
	if want < 0 || want > store.MaxPartitions || b.opt.FirstPartitions > store.MaxPartitions {
		return n, fmt.Errorf("%w: %d is not within 1 and %d", ErrPartitions, max(want, b.opt.FirstPartitions), store.MaxPartitions)
	}
	first, err := b.firstNumbering(ctx, want)
	if err != nil {
		return n, err
	}
	if err := b.store.Redis.SetNX(ctx, store.PartitionsKey, store.Record{Numbering: first, Shape: store.Shape}.Text(), 0).Err(); err != nil {
		return n, store.RedisError("partitions", err)
	}
	r, err := b.store.AwaitRecord(ctx)
	if err != nil {
		return n, unread(err)
	}
	if want != 0 && want != r.Partitions && r.Generation > 0 {
		b.store.Log.Warn("the number of partitions that is set counts for the first start only; it has been changed since", "set", want, "is", r.Partitions)
	} else if want != 0 && want != r.Partitions {
		return n, fmt.Errorf("%w: Redis was set up with %d, not %d; `bellhop repartition` changes that", ErrPartitions, r.Partitions, want)
	}
	if b.archiver != nil {
		err = b.archiver.KeepNumbering(ctx, r.Numbering)
	}
	return r.Numbering, err
}

// unread is the error of a record that cannot be read.
func unread(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrShape) || store.IsUnavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPartitions, err)
}

// firstNumbering is that for a Redis that has none yet: that of the archive, if there is one.
func (b *Broker) firstNumbering(ctx context.Context, want int) (store.Numbering, error) {
	if b.archiver != nil {
		n, there, err := b.archiver.Numbering(ctx)
		if err != nil {
			return n, err
		}
		if there && want != 0 && want != n.Partitions {
			return n, fmt.Errorf("%w: the archive was set up with %d, not %d", ErrPartitions, n.Partitions, want)
		}
		if there {
			return n, nil
		}
	}
	for _, n := range []int{want, b.opt.FirstPartitions, firstPartitions} {
		if n != 0 {
			want = n
			break
		}
	}
	return store.Numbering{Partitions: want}, nil
}

// Renumbered is closed when the deployment has, or will soon have, other partitions than
// this node knows: it must be closed, and another one made, which waits until that is done. So it
// is when what is stored gets a shape that this version cannot read: the other one is refused then.
func (b *Broker) Renumbered() <-chan struct{} { return b.renumbered }

// lookRenumbered finds that out; false where Redis does not say.
func (b *Broker) lookRenumbered(ctx context.Context) bool {
	is, err := b.store.Renumbered(ctx)
	if is {
		b.leaves.Do(func() {
			b.store.Log.Warn("the deployment gets another number of partitions, or another shape: this node leaves", "from", b.store.Partitions)
			close(b.renumbered)
		})
	}
	return err == nil
}

// Spread tells over how many masters a cluster's slots are spread, and how many of them hold
// a partition: one and one where there is no cluster.
func (b *Broker) Spread(ctx context.Context) (Spread, error) {
	all, used, err := b.store.Masters(ctx)
	return Spread{Partitions: b.store.Partitions, Masters: all, Used: used}, err
}

// Survey is Spread of a deployment that this process is no node of; it writes nothing.
func Survey(ctx context.Context, rdb redis.UniversalClient) (Spread, error) {
	r, err := store.ReadRecord(ctx, rdb)
	if err != nil {
		return Spread{}, err
	}
	s := store.NewStore(rdb, slog.New(slog.DiscardHandler))
	s.Numbering, s.Parts = r.Numbering, r.Parts()
	all, used, err := s.Masters(ctx)
	return Spread{Partitions: r.Partitions, Masters: all, Used: used}, err
}

// Spread is how the partitions lie on a cluster's masters.
type Spread struct {
	Partitions int
	Masters    int // that hold slots
	Used       int // that hold a partition
}

// lookAtMasters warns where masters have nothing to do.
func (b *Broker) lookAtMasters(ctx context.Context) {
	s, err := b.Spread(ctx)
	switch {
	case err != nil:
		b.store.Log.Warn("it is not known how the partitions lie on the masters", "error", err)
	case s.Masters > s.Partitions:
		b.store.Log.Warn("there are fewer partitions than masters: some hold nothing; see `bellhop repartition`",
			"partitions", s.Partitions, "masters", s.Masters, "used", s.Used)
	case s.Used < s.Masters:
		b.store.Log.Warn("the slots of the partitions leave masters empty: spread the slots evenly, or use more partitions; see `bellhop repartition`",
			"partitions", s.Partitions, "masters", s.Masters, "used", s.Used)
	}
}
