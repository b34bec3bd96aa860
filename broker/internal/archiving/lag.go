package archiving

import (
	"bellhop/broker/chat"

	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

const (
	lagSample = 1000            // sessions of a partition whose messages are counted
	lagFresh  = 2 * time.Second // a measurement is good for this long
)

// lagCache keeps one measurement for all who ask.
type lagCache struct {
	mu   sync.Mutex
	at   time.Time
	last chat.Lag
}

// Lag measures how far the archive is behind, at most every two seconds.
func (a *Archiver) Lag(ctx context.Context) (chat.Lag, error) {
	c := &a.lag
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < lagFresh {
		return c.last, nil
	}
	var lag chat.Lag
	now := time.Now().UnixMilli()
	for _, p := range a.store.Parts {
		if err := a.addLag(ctx, p, now, &lag); err != nil {
			return lag, err
		}
	}
	c.at, c.last = time.Now(), lag
	return lag, nil
}

func (a *Archiver) addLag(ctx context.Context, p store.Partition, now int64, lag *chat.Lag) error {
	var size, aside *redis.IntCmd
	var oldest, late *redis.ZSliceCmd
	_, err := a.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		size, aside = pipe.ZCard(ctx, p.Dirty()), pipe.ZCard(ctx, p.Aside())
		oldest = pipe.ZRangeWithScores(ctx, p.Dirty(), 0, lagSample-1)
		late = pipe.ZRangeWithScores(ctx, p.Late(), 0, 0)
		return nil
	})
	if err != nil {
		return store.RedisError("lag", err)
	}
	lag.Aside += aside.Val()
	list := oldest.Val()
	if len(list) == 0 {
		return nil
	}
	for _, z := range append(late.Val(), list[0]) {
		lag.Seconds = max(lag.Seconds, (now-int64(z.Score))/1000)
	}
	marks := make([]*redis.SliceCmd, 0, len(list))
	_, err = a.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, z := range list {
			id, _ := z.Member.(string)
			marks = append(marks, pipe.HMGet(ctx, p.Session(id), "seq", "archived"))
		}
		return nil
	})
	var behind int64
	for _, m := range marks {
		if v := m.Val(); len(v) == 2 {
			behind += Number(v[0]) - Number(v[1])
		}
	}
	lag.Sessions += size.Val()
	lag.Messages += behind * size.Val() / int64(len(list))
	return store.RedisError("lag", err)
}

// Number is a field that Redis gave; 0 where it is none.
func Number(v any) int64 {
	text, _ := v.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// Stats tells what this node's archiver has done.
func (a *Archiver) Stats() chat.ArchiveStats {
	return chat.ArchiveStats{Saved: a.saved.Load(), Refused: a.refused.Load(), Failed: a.failed.Load()}
}

// Ready tells whether the archive answers.
func (a *Archiver) Ready(ctx context.Context) error {
	err := a.archive.Ping(ctx)
	if err == nil {
		a.reached.Store(true)
	}
	return store.ArchiveError("ping", err)
}

// Reached tells whether the archive has answered since this node started.
func (a *Archiver) Reached() bool { return a.reached.Load() }

// Recoveries are this node's counts of sessions that came back, and of archived messages whose
// seq is another's now.
func (a *Archiver) Recoveries() (sessions, superseded int64) {
	return a.recovered.Load(), a.superseded.Load()
}
