package people

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

// Silence counts, for each other node, our heartbeats since its last one.
type Silence map[string]*quiet

type quiet struct {
	beats int64
	ticks int
	heard bool // more than once: it is no list of the dead that we read
}

// Hear takes over what one heartbeat of ours saw of the others, and gives those that are dead.
func (s Silence) Hear(beats map[string]int64) []string {
	var dead []string
	for node, n := range beats {
		q := s[node]
		if q == nil || q.beats != n {
			s[node] = &quiet{beats: n, heard: q != nil}
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

// Of is how many of our heartbeats have gone by since a node's last one.
func (s Silence) Of(node string) int {
	if q := s[node]; q != nil {
		return q.ticks
	}
	return 0
}

// Lives tells whether a node was heard of more than once, and lately: within so many of our heartbeats.
func (s Silence) Lives(node string, within int) bool {
	q := s[node]
	return q != nil && q.heard && q.ticks < within
}

// Bury takes a silent node off the list of those alive, unless it has been heard
// of meanwhile; its connections are cleared by whoever takes that from `clearing`.
func (ps *People) Bury(ctx context.Context, p store.Partition, node string, beats int64) {
	r, err := ps.store.Run(ctx, "bury", []string{p.Nodes(), p.Clearing(), p.Leases(), p.Timers(), p.Outbox(), p.Dirty()},
		node, beats)
	if err != nil {
		ps.store.Log.Warn("silent node not buried; it is looked at again", "node", node, "error", err)
		return
	}
	if r.Num(0) == 1 {
		ps.store.Log.Warn("a node is silent while others are heard; its connections are cleared", "node", node, "partition", p.Index)
	}
}

// Clear unregisters all connections of a node that died. Each is looked at again
// in the script: a node that is back keeps what is left, and registers the rest anew.
func (ps *People) Clear(ctx context.Context, p store.Partition, node string) error {
	for {
		members, err := ps.store.Redis.SRandMemberN(ctx, p.Node(node), 200).Result()
		if err != nil || len(members) == 0 {
			return store.RedisError("clear", err)
		}
		for _, w := range members {
			bye := chat.Farewell{Who: w, Node: node, Dead: true}
			if w[0] == 'a' {
				is, err := ps.Profile(ctx, chat.RoleAgent, chat.IDOf(w))
				if err != nil {
					return err
				}
				bye.Queues = is.Queues
			}
			alive, err := ps.Unregister(ctx, bye)
			if err != nil || alive {
				return err
			}
		}
	}
}
