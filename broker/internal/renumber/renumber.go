package renumber

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

const (
	pageSize = 500 // keys or members at a time
	atOnce   = 4   // pages of one server
)

// Needs is what a mover needs of others.
type Needs struct {
	// Leave archives the hours of statistics under a key that was a partition's, and gives
	// what goes on elsewhere: the last sealed hour, and how each agent is.
	Leave func(ctx context.Context, key string, part int) (sealed int64, agents map[string]string, err error)
	// Archived tells whether Leave has archived them: there is an archive.
	Archived bool
	// Progress is told now and then how far something is, one call at a time.
	Progress func(what string, done, total int)
}

// Mover moves a deployment from its store's numbering to another.
type Mover struct {
	store *store.Store
	to    store.Numbering
	parts []store.Partition // of the new numbering
	needs Needs
	byTag map[string]store.Partition // of the old one

	mu      sync.RWMutex
	older   map[string]uint8 // sessions whose ids do not say where they are: their new partitions
	serve   map[int]map[string]int64
	marks   map[string]int // by kind: lists that are whole
	servers string         // when it began to freeze
	now     int64          // by Redis's clock, ms, when it began to copy
	due     int64          // and when who does not come back is gone

	shown struct {
		sync.Mutex
		what        string
		done, total int
	}
}

// New prepares to move what a store holds, which must be opened.
func New(s *store.Store, to store.Numbering, n Needs) *Mover {
	m := &Mover{store: s, to: to, parts: to.Parts(), needs: n, byTag: map[string]store.Partition{},
		older: map[string]uint8{}, serve: map[int]map[string]int64{}, marks: map[string]int{}}
	for _, p := range s.Parts {
		m.byTag[p.Tag] = p
	}
	return m
}

// beside is the partition that a partition's range of buckets begins in.
func (m *Mover) beside(from int) int { return from * len(m.parts) / len(m.store.Parts) }

// begin tells that something begins, of so many steps.
func (m *Mover) begin(what string, total int) {
	m.shown.Lock()
	m.shown.what, m.shown.done, m.shown.total = what, 0, total
	m.shown.Unlock()
	m.step(0)
}

func (m *Mover) step(n int) {
	m.shown.Lock()
	defer m.shown.Unlock()
	m.shown.done += n
	m.shown.total = max(m.shown.total, m.shown.done)
	if m.needs.Progress != nil {
		m.needs.Progress(m.shown.what, m.shown.done, m.shown.total)
	}
}

// each calls f with pages of all keys there are, several at a time.
func each(ctx context.Context, rdb redis.UniversalClient, f func(ctx context.Context, keys []string) error) error {
	server := func(ctx context.Context, c *redis.Client) error {
		work, ctx := limited(ctx)
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, "", pageSize).Result()
			if err != nil {
				_ = work.Wait()
				return store.RedisError("scan", err)
			}
			work.Go(func() error { return f(ctx, keys) })
			if cursor = next; cursor == 0 {
				return work.Wait()
			}
		}
	}
	return masters(ctx, rdb, server)
}

// size is how many keys there are in all.
func (m *Mover) size(ctx context.Context) int {
	n, err := m.store.Redis.DBSize(ctx).Result()
	if err != nil {
		return 0
	}
	return int(n)
}
