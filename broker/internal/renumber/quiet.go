package renumber

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

const (
	// silence is after how long without a heartbeat a node is taken for dead: longer than
	// nodes give one another. One that is alive all the same is kept off by what is frozen.
	silence   = 15 * time.Second
	quietPoll = 500 * time.Millisecond
)

// Busy says which nodes did not leave.
type Busy struct{ Nodes []string }

func (b *Busy) Error() string {
	return fmt.Sprintf("%d nodes did not leave (are they of an earlier version? stop them, and run this again): %s", len(b.Nodes), strings.Join(b.Nodes, ", "))
}

// Quiet waits until no node is left in the old partitions. Busy: some were there all the time.
func (m *Mover) Quiet(ctx context.Context, patience time.Duration) error {
	type beat struct {
		n  float64
		at time.Time
	}
	seen := map[string]beat{} // by partition and node
	m.begin("waiting for nodes", 0)
	for until := time.Now().Add(patience); ; {
		cmds := make([]*redis.ZSliceCmd, len(m.store.Parts))
		if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, p := range m.store.Parts {
				cmds[i] = pipe.ZRangeWithScores(ctx, p.Nodes(), 0, -1)
			}
			return nil
		}); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") { // that one is frozen
			return store.RedisError("nodes", err)
		}
		alive, now := map[string]bool{}, time.Now()
		for i, c := range cmds {
			for _, z := range c.Val() {
				node, _ := z.Member.(string)
				at := fmt.Sprintf("%d|%s", i, node)
				if b, ok := seen[at]; !ok || b.n != z.Score {
					seen[at] = beat{z.Score, now}
				}
				if now.Sub(seen[at].at) < silence {
					alive[node] = true
				}
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
