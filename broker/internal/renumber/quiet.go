package renumber

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

const (
	// silence is after how long without a heartbeat a node is taken for dead: longer than
	// nodes give one another. One that is alive all the same is kept off by what is frozen.
	silence   = 15 * time.Second
	quietPoll = 500 * time.Millisecond
	tellAgain = 10 // polls
)

// Busy says which nodes did not leave.
type Busy struct{ Nodes []string }

func (b *Busy) Error() string {
	return fmt.Sprintf("%d nodes did not leave (are they of an earlier version? stop them, and run this again): %s", len(b.Nodes), strings.Join(b.Nodes, ", "))
}

// place is where a node is known: everywhere, or in a partition.
type place struct {
	part int // -1: everywhere
	node string
}

// Quiet tells nodes to leave, and waits until none is left in the old partitions. Busy: some were there all the time.
func (m *Mover) Quiet(ctx context.Context, patience time.Duration) error {
	type beat struct {
		said string
		at   time.Time
	}
	seen := map[place]beat{}
	m.begin("waiting for nodes", 0)
	for polls, until := 0, time.Now().Add(patience); ; polls++ {
		if polls%tellAgain == 0 {
			if err := m.tell(ctx); err != nil {
				return err
			}
		}
		list, err := m.nodes(ctx)
		if err != nil {
			return err
		}
		alive, now := map[string]bool{}, time.Now()
		for at, said := range list {
			if b, ok := seen[at]; !ok || b.said != said {
				seen[at] = beat{said, now}
			}
			if now.Sub(seen[at].at) < silence {
				alive[at.node] = true
			}
		}
		if len(alive) == 0 {
			return nil
		}
		if now.After(until) {
			return &Busy{slices.Sorted(maps.Keys(alive))}
		}
		if !store.Sleep(ctx, quietPoll) {
			return ctx.Err()
		}
	}
}

// tell has nodes look at the record: their heartbeats see that something is new of the settings.
func (m *Mover) tell(ctx context.Context) error {
	return store.RedisError("nodes", m.store.Redis.Set(ctx, m.store.Parts[0].Rules(), ulid.Make().String(), 0).Err())
}

// nodes gives what each node said last, wherever one is known: a heartbeat is told in one place, and in each
// partition that the node looks after; one of an earlier version only there.
func (m *Mover) nodes(ctx context.Context) (map[place]string, error) {
	cmds := make([]*redis.ZSliceCmd, len(m.store.Parts))
	var all *redis.MapStringStringCmd
	if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		all = pipe.HGetAll(ctx, m.store.Parts[0].Alive())
		for i, p := range m.store.Parts {
			cmds[i] = pipe.ZRangeWithScores(ctx, p.Nodes(), 0, -1)
		}
		return nil
	}); err != nil {
		return nil, store.RedisError("nodes", err)
	}
	out := map[place]string{}
	for node, said := range all.Val() {
		out[place{-1, node}] = said
	}
	for i, c := range cmds {
		for _, z := range c.Val() {
			node, _ := z.Member.(string)
			out[place{i, node}] = strconv.FormatFloat(z.Score, 'f', -1, 64)
		}
	}
	return out, nil
}
