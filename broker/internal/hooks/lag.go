package hooks

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// lagFresh is for how long a measurement is good.
const lagFresh = 2 * time.Second

// Stats are one node's counts since it started.
type Stats struct {
	Delivered int64 // events taken
	Failed    int64 // attempts
	Dead      int64 // events given up
	Dropped   int64 // dead letters that had to make room for newer ones
}

// Stats tells what this node has delivered.
func (h *Teller) Stats() Stats {
	return Stats{h.delivered.Load(), h.failed.Load(), h.dead.Load(), h.dropped.Load()}
}

// Lag is how far the hook is behind.
type Lag struct {
	Sessions int64 // with an event that was not taken yet
	Seconds  int64 // since the oldest of them
	Dead     int64 // letters
}

// lagCache keeps one measurement for all who ask.
type lagCache struct {
	mu   sync.Mutex
	at   time.Time
	last Lag
}

// Lag measures how far the hook is behind, at most every two seconds; nothing without one.
func (h *Teller) Lag(ctx context.Context) (Lag, error) {
	if h.hook == nil {
		return Lag{}, nil
	}
	c := &h.lag
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < lagFresh {
		return c.last, nil
	}
	var lag Lag
	now := time.Now().UnixMilli()
	type part struct {
		size, dead *redis.IntCmd
		due, late  *redis.ZSliceCmd
	}
	parts := make([]part, len(h.store.Parts))
	_, err := h.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range h.store.Parts {
			// What is being told or waits to be tried again has a score to come; since when it waits is in late.
			parts[i] = part{pipe.ZCard(ctx, p.Hooks()), pipe.XLen(ctx, p.Dead()),
				pipe.ZRangeByScoreWithScores(ctx, p.Hooks(), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now, 10), Count: 1}),
				pipe.ZRangeWithScores(ctx, p.HooksLate(), 0, 0)}
		}
		return nil
	})
	if err != nil {
		return lag, store.RedisError("hook lag", err)
	}
	for _, p := range parts {
		lag.Sessions += p.size.Val()
		lag.Dead += p.dead.Val()
		for _, z := range append(p.due.Val(), p.late.Val()...) {
			lag.Seconds = max(lag.Seconds, (now-int64(z.Score))/1000)
		}
	}
	c.at, c.last = time.Now(), lag
	return lag, nil
}
