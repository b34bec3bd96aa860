package people

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Each partition counts how many of its agents name each queue, in the scripts that
// give them their queues (lib/assign.lua). So the queues there are cost a read for each
// partition, however many agents there are.

// namedFor: a queue that no agent named may have one by now.
const namedFor = time.Second

// MaxStrange is how many queues in one partition there may be that nobody has set or serves.
const MaxStrange = 200

// served is what this node last read of the queues that agents name.
type served struct {
	mu     sync.Mutex
	at     time.Time
	queues map[string]bool
}

// Named are those that known agents name.
func (ps *People) Named(ctx context.Context) (map[string]bool, error) {
	cmds := make([]*redis.StringSliceCmd, len(ps.store.Parts))
	if _, err := ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range ps.store.Parts {
			cmds[i] = pipe.HKeys(ctx, p.Named())
		}
		return nil
	}); err != nil {
		return nil, store.RedisError("named", err)
	}
	out := map[string]bool{}
	for _, c := range cmds {
		for _, q := range c.Val() {
			out[q] = true
		}
	}
	return out, nil
}

// Recount counts anew which queues agents name. A node does so when it starts: nodes of a
// version that does not count may have run before, or be running still.
func (ps *People) Recount(ctx context.Context) error {
	for _, p := range ps.store.Parts {
		for again := true; again; {
			ids, err := ps.store.Redis.SMembers(ctx, p.Agents()).Result()
			if err != nil {
				return store.RedisError("recount", err)
			}
			keys, args := []string{p.Named(), p.Crews(), p.Presences(), p.Agents()}, make([]any, len(ids))
			for i, id := range ids {
				keys, args[i] = append(keys, p.Profile("a:"+id)), id
			}
			r, err := ps.store.Run(ctx, "recount", keys, args...)
			if err != nil {
				return err
			}
			again = r.Str(0) == "moved"
		}
	}
	return nil
}

// strange tells whether a user has made a queue up: nobody has set it, and no agent names it.
// What a host application names is meant so. now: as it is, not as it was lately.
func (ps *People) strange(ctx context.Context, a chat.Actor, queue string, now bool) (bool, error) {
	if a.Host || ps.opt.IsSet(queue) || queue == chat.DefaultQueueID {
		return false, nil
	}
	n := &ps.served
	n.mu.Lock()
	served, age := n.queues[queue], time.Since(n.at)
	n.mu.Unlock()
	if !now && (served && age < time.Minute || !served && age < namedFor) {
		return !served, nil
	}
	queues, err := ps.Named(ctx)
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queues, n.at = queues, time.Now()
	return !queues[queue], nil
}

// Bounds are how much a user may begin: lib/bounds.lua.
type Bounds struct {
	Most        int  `json:"most"` // 0: any number
	Strange     bool `json:"strange,omitempty"`
	StrangeMost int  `json:"strange_most"`
}

// Bounded runs a script by which a session of a user's begins to wait in a queue of a partition:
// run is given the bounds, perhaps twice. Where there are too many queues that were made up, those
// in which nobody waits any more go first.
func (ps *People) Bounded(ctx context.Context, a chat.Actor, part store.Partition, queue string, run func(Bounds) (store.Reply, error)) (store.Reply, error) {
	bound := Bounds{StrangeMost: MaxStrange}
	if !a.Host {
		bound.Most = max(0, ps.opt.OpenSessions)
	}
	for crowded := false; ; crowded = true {
		var err error
		if bound.Strange, err = ps.strange(ctx, a, queue, crowded); err != nil {
			return nil, err
		}
		r, err := run(bound)
		if err != nil || r.Str(0) != "crowded" || crowded {
			return r, err
		}
		if err := ps.Tidy(ctx, part); err != nil {
			return nil, err
		}
	}
}

// Tidy forgets the made-up queues of a partition in which nobody waits any more.
func (ps *People) Tidy(ctx context.Context, p store.Partition) error {
	queues, err := ps.store.Redis.SMembers(ctx, p.Strange()).Result()
	if err != nil {
		return store.RedisError("queues", err)
	}
	keys, args := []string{p.Strange()}, make([]any, len(queues))
	for i, q := range queues {
		keys, args[i] = append(keys, p.Waiting(q)), q
	}
	_, err = ps.store.Run(ctx, "tidy", keys, args...)
	return err
}
