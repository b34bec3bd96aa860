package broker

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

const (
	namedFor   = time.Second // a queue that no agent named may have one by now
	maxStrange = 200         // queues in one partition that nobody has set or serves
)

// servedQueues is what this node last read of the queues that agents name.
type servedQueues struct {
	mu     sync.Mutex
	at     time.Time
	queues map[string]bool
}

// namedQueues are those that known agents name.
func (b *Broker) namedQueues(ctx context.Context) (map[string]bool, error) {
	cmds := make([]*redis.StringSliceCmd, len(b.Parts))
	if _, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range b.Parts {
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

// recount counts anew which queues agents name. A node does so when it starts: nodes of a
// version that does not count may have run before, or be running still.
func (b *Broker) recount(ctx context.Context) error {
	for _, p := range b.Parts {
		for again := true; again; {
			ids, err := b.Redis.SMembers(ctx, p.Agents()).Result()
			if err != nil {
				return store.RedisError("recount", err)
			}
			keys, args := []string{p.Named(), p.Agents()}, make([]any, len(ids))
			for i, id := range ids {
				keys, args[i] = append(keys, p.Profile("a:"+id)), id
			}
			r, err := b.Run(ctx, "recount", keys, args...)
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
func (b *Broker) strange(ctx context.Context, a chat.Actor, queue string, now bool) (bool, error) {
	if a.Host || b.settings.known(queue) || queue == chat.DefaultQueueID {
		return false, nil
	}
	n := &b.served
	n.mu.Lock()
	served, age := n.queues[queue], time.Since(n.at)
	n.mu.Unlock()
	if !now && (served && age < time.Minute || !served && age < namedFor) {
		return !served, nil
	}
	queues, err := b.namedQueues(ctx)
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queues, n.at = queues, time.Now()
	return !queues[queue], nil
}

// bounds are how much a user may begin: lib/bounds.lua.
type bounds struct {
	Most        int  `json:"most"` // 0: any number
	Strange     bool `json:"strange,omitempty"`
	StrangeMost int  `json:"strange_most"`
}

// bounded runs a script by which a session of a user's begins to wait in a queue. Where
// there are too many queues that were made up, those in which nobody waits any more go first.
func (b *Broker) bounded(ctx context.Context, a chat.Actor, script string, p store.Partition, queue string, keys []string, arg func(bounds) any) (store.Reply, error) {
	bound := bounds{StrangeMost: maxStrange}
	if !a.Host {
		bound.Most = max(0, b.opt.OpenSessions)
	}
	for crowded := false; ; crowded = true {
		var err error
		if bound.Strange, err = b.strange(ctx, a, queue, crowded); err != nil {
			return nil, err
		}
		r, err := b.ruled(ctx, script, p, keys, func() any { return arg(bound) })
		if err != nil || r.Str(0) != "crowded" || crowded {
			return r, err
		}
		if err := b.tidy(ctx, p); err != nil {
			return nil, err
		}
	}
}

// tidy forgets the made-up queues of a partition in which nobody waits any more.
func (b *Broker) tidy(ctx context.Context, p store.Partition) error {
	queues, err := b.Redis.SMembers(ctx, p.Strange()).Result()
	if err != nil {
		return store.RedisError("queues", err)
	}
	keys, args := []string{p.Strange()}, make([]any, len(queues))
	for i, q := range queues {
		keys, args[i] = append(keys, p.Waiting(q)), q
	}
	_, err = b.Run(ctx, "tidy", keys, args...)
	return err
}
