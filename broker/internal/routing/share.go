package routing

import (
	"context"
	"hash/fnv"
	"time"
)

// A node assigns in groups of queues. Once a second it asks for its share of them, in one script, of which
// `dispatchers` in the first partition is the key; whoever does not ask for dispatchLease has none any more.
// Where Redis does not answer, a node goes on with those that it has.

const (
	groups        = 4               // queues are parted into: as many nodes assign at most
	dispatchLease = 2 * time.Second // less than a second after that, another node assigns
)

// GroupOf is a queue's group, from 1.
func GroupOf(queue string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(queue))
	return int(h.Sum32()%groups) + 1
}

// share asks for this node's groups, for so long.
func (ds *Dispatchers) share(ctx context.Context, lease time.Duration) (map[int]bool, error) {
	r, err := ds.store.Run(ctx, "share", []string{ds.store.Parts[0].Dispatchers()}, ds.store.Node, lease.Milliseconds(), groups)
	if err != nil {
		return nil, err
	}
	mine := make(map[int]bool, len(r))
	for i := range r {
		mine[int(r.Num(i))] = true
	}
	return mine, nil
}

// mine are those of the queues that are of this node's groups.
func (ds *Dispatchers) mine(ctx context.Context, queues []string) []string {
	switch {
	case len(queues) > 0:
		ds.shares = true
		if mine, err := ds.share(ctx, dispatchLease); err == nil {
			ds.groups = mine
		}
	case ds.shares:
		ds.shares, ds.groups = false, nil
		_, _ = ds.share(ctx, 0) // else its time runs out
	}
	out := queues[:0]
	for _, q := range queues {
		if ds.groups[GroupOf(q)] {
			out = append(out, q)
		}
	}
	return out
}
