package routing

import (
	"context"
	"sort"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// Waiting reads what waits in the queues, over all partitions.
type Waiting struct{ store *store.Store }

// First are the first n that wait in a queue, over all partitions.
func (w *Waiting) First(ctx context.Context, queue string, n int64) ([]string, error) {
	all, err := w.UpTo(ctx, queue, n-1)
	if err != nil {
		return nil, err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Score < all[j].Score })
	out := make([]string, 0, n)
	for _, z := range all[:min(int(n), len(all))] {
		id, _ := z.Member.(string)
		out = append(out, id)
	}
	return out, nil
}

// UpTo are those who wait in a queue, up to a rank in each partition; -1: all.
func (w *Waiting) UpTo(ctx context.Context, queue string, last int64) ([]redis.Z, error) {
	cmds := make([]*redis.ZSliceCmd, len(w.store.Parts))
	_, err := w.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range w.store.Parts {
			cmds[i] = pipe.ZRangeWithScores(ctx, p.Waiting(queue), 0, last)
		}
		return nil
	})
	if err != nil {
		return nil, store.RedisError("waiting", err)
	}
	var all []redis.Z
	for _, c := range cmds {
		all = append(all, c.Val()...)
	}
	return all, nil
}

// Count is how many wait in a queue.
func (w *Waiting) Count(ctx context.Context, queue string) (int, error) {
	cmds := make([]*redis.IntCmd, len(w.store.Parts))
	_, err := w.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range w.store.Parts {
			cmds[i] = pipe.ZCard(ctx, p.Waiting(queue))
		}
		return nil
	})
	n := 0
	for _, c := range cmds {
		n += int(c.Val())
	}
	return n, store.RedisError("waiting", err)
}

// NewWaiting reads from a store.
func NewWaiting(s *store.Store) *Waiting { return &Waiting{store: s} }
