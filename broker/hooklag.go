package broker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// HookStats are one node's counts since it started.
type HookStats struct {
	Delivered int64 // events taken
	Failed    int64 // attempts
	Dead      int64 // events given up
	Dropped   int64 // dead letters that had to make room for newer ones
}

// HookStats tells what this node has delivered.
func (b *Broker) HookStats() HookStats {
	if b.hooks == nil {
		return HookStats{}
	}
	h := b.hooks
	return HookStats{h.delivered.Load(), h.failed.Load(), h.dead.Load(), h.dropped.Load()}
}

// HookLag is how far the hook is behind.
type HookLag struct {
	Sessions int64 // with an event that was not taken yet
	Seconds  int64 // since the oldest of them
	Dead     int64 // letters
}

const lagFresh = 2 * time.Second // a measurement is good for this long

// hookLagCache keeps one measurement for all who ask.
type hookLagCache struct {
	mu   sync.Mutex
	at   time.Time
	last HookLag
}

// HookLag measures how far the hook is behind, at most every two seconds.
func (b *Broker) HookLag(ctx context.Context) (HookLag, error) {
	if b.hooks == nil {
		return HookLag{}, nil
	}
	c := &b.hooks.lag
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < lagFresh {
		return c.last, nil
	}
	var lag HookLag
	now := time.Now().UnixMilli()
	for _, p := range b.Parts {
		var size, dead *redis.IntCmd
		var due, late *redis.ZSliceCmd
		_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			size, dead = pipe.ZCard(ctx, p.Hooks()), pipe.XLen(ctx, p.Dead())
			// What is being told or waits to be tried again has a score to come; since when it waits is in late.
			due = pipe.ZRangeByScoreWithScores(ctx, p.Hooks(), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now, 10), Count: 1})
			late = pipe.ZRangeWithScores(ctx, p.HooksLate(), 0, 0)
			return nil
		})
		if err != nil {
			return lag, store.RedisError("hook lag", err)
		}
		lag.Sessions += size.Val()
		lag.Dead += dead.Val()
		for _, z := range append(due.Val(), late.Val()...) {
			lag.Seconds = max(lag.Seconds, (now-int64(z.Score))/1000)
		}
	}
	c.at, c.last = time.Now(), lag
	return lag, nil
}
