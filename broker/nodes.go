package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// deadTicks is how many of a node's own heartbeats go by without one of another
// node's until it takes that for dead: 8 to 11 s. Counting, not a clock, says so:
// while Redis or this node stalls, nothing is counted, and a step of a clock is
// no silence.
const deadTicks = 11

// silence counts, for each other node, our heartbeats since its last one.
type silence map[string]*quiet

type quiet struct {
	beats int64
	ticks int
}

// hear takes over what one heartbeat of ours saw of the others, and gives those that are dead.
func (s silence) hear(beats map[string]int64) []string {
	var dead []string
	for node, n := range beats {
		q := s[node]
		if q == nil || q.beats != n {
			s[node] = &quiet{beats: n}
			continue
		}
		if q.ticks++; q.ticks >= deadTicks {
			q.ticks = 0 // if it cannot be buried now, it is looked at again
			dead = append(dead, node)
		}
	}
	for node := range s {
		if _, there := beats[node]; !there {
			delete(s, node)
		}
	}
	return dead
}

// bury takes a silent node off the list of those alive, unless it has been heard
// of meanwhile; its connections are cleared by whoever takes that from `clearing`.
func (p *pulse) bury(ctx context.Context, node string, beats int64) {
	k := p.part
	r, err := p.b.Run(ctx, "bury", []string{k.Nodes(), k.Clearing(), k.Leases(), k.Timers(), k.Outbox(), k.Clearing(), k.Dirty()},
		node, beats)
	if err != nil {
		p.b.Log.Warn("silent node not buried; it is looked at again", "node", node, "error", err)
		return
	}
	if r.Num(0) == 1 {
		p.b.Log.Warn("a node is silent while others are heard; its connections are cleared", "node", node, "partition", k.Index)
	}
}

// clear unregisters all connections of a node that died. Each is looked at again
// in the script: a node that is back keeps what is left, and registers the rest anew.
func (b *Broker) clear(ctx context.Context, p store.Partition, node string) error {
	for {
		members, err := b.Redis.SRandMemberN(ctx, p.Node(node), 200).Result()
		if err != nil || len(members) == 0 {
			return store.RedisError("clear", err)
		}
		for _, w := range members {
			id := chat.Identity{ID: chat.IDOf(w)}
			if w[0] == 'a' {
				prof, err := b.people.Profile(ctx, chat.RoleAgent, id.ID)
				if err != nil {
					return err
				}
				id.Queues = prof.Queues
			}
			alive, err := b.unregister(ctx, disconnectArgs{Who: w, Node: node, Dead: true}, id)
			if err != nil || alive {
				return err
			}
		}
	}
}
