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
	lagSample = 8               // sessions of a partition whose messages are counted; of more, so many spread evenly
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
	lag, err := a.measure(ctx)
	if err != nil {
		return lag, store.RedisError("lag", err)
	}
	c.at, c.last = time.Now(), lag
	return lag, nil
}

// measured is one partition's part of a measurement.
type measured struct {
	size, aside  *redis.IntCmd
	oldest, late *redis.ZSliceCmd
	sample       []*redis.StringSliceCmd
	marks        []*redis.SliceCmd
}

// measure asks three times at most for all partitions together, and of each so much that it does not
// grow with what waits.
func (a *Archiver) measure(ctx context.Context) (lag chat.Lag, err error) {
	parts := make([]measured, len(a.store.Parts))
	each := func(ask func(pipe redis.Pipeliner, p store.Partition, m *measured)) {
		if err == nil {
			_, err = a.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i, p := range a.store.Parts {
					ask(pipe, p, &parts[i])
				}
				return nil
			})
		}
	}
	now := time.Now().UnixMilli()
	each(func(pipe redis.Pipeliner, p store.Partition, m *measured) {
		m.size, m.aside = pipe.ZCard(ctx, p.Dirty()), pipe.ZCard(ctx, p.Aside())
		m.oldest, m.late = pipe.ZRangeWithScores(ctx, p.Dirty(), 0, 0), pipe.ZRangeWithScores(ctx, p.Late(), 0, 0)
	})
	each(func(pipe redis.Pipeliner, p store.Partition, m *measured) {
		n := min(m.size.Val(), lagSample)
		for i := range n {
			rank := i * m.size.Val() / n
			m.sample = append(m.sample, pipe.ZRange(ctx, p.Dirty(), rank, rank))
		}
	})
	each(func(pipe redis.Pipeliner, p store.Partition, m *measured) {
		for _, s := range m.sample {
			for _, id := range s.Val() {
				m.marks = append(m.marks, pipe.HMGet(ctx, p.Session(id), "seq", "archived"))
			}
		}
	})
	if err != nil {
		return lag, err
	}
	for i := range parts {
		parts[i].addTo(&lag, now)
	}
	return lag, nil
}

func (m *measured) addTo(lag *chat.Lag, now int64) {
	lag.Aside += m.aside.Val()
	if m.size.Val() == 0 {
		return
	}
	for _, z := range append(m.late.Val(), m.oldest.Val()...) {
		lag.Seconds = max(lag.Seconds, (now-int64(z.Score))/1000)
	}
	var behind int64
	for _, mark := range m.marks {
		if v := mark.Val(); len(v) == 2 {
			behind += Number(v[0]) - Number(v[1])
		}
	}
	lag.Sessions += m.size.Val()
	lag.Messages += behind * m.size.Val() / int64(max(1, len(m.marks)))
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
