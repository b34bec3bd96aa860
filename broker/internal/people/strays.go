package people

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// RegistrationCheck looks whether a connection that Redis holds is of a node that lives, or that
// is being cleared away, and that node's own list names it. (The node's connections
// themselves only the node knows: it compares them every few minutes.)
func (ps *People) RegistrationCheck(p store.Partition, w string) store.Check {
	return store.Check{Promise: 7, Keys: []string{p.Conns(w), p.Nodes()}, Run: func(ctx context.Context) (string, error) {
		held, err := ps.store.Pipe.HGetAll(ctx, p.Conns(w)).Result()
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		for device, conn := range held {
			node, _, _ := strings.Cut(conn, "/")
			alive, err := ps.watched(ctx, p, node)
			if err != nil {
				return "", err
			}
			if !alive {
				return fmt.Sprintf("device %q of %q is registered at a node that is not there, and nobody will clear it: %s", device, w, conn), nil
			}
			listed, err := ps.store.Pipe.SIsMember(ctx, p.Node(node), w).Result()
			if err != nil || !listed {
				return fmt.Sprintf("device %q of %q is not in its node's list: %s", device, w, conn), store.RedisError("audit", err)
			}
		}
		return "", nil
	}}
}

// watched tells whether a node lives, or is being cleared away.
func (ps *People) watched(ctx context.Context, p store.Partition, node string) (bool, error) {
	for _, key := range []string{p.Nodes(), p.Clearing()} {
		err := ps.store.Pipe.ZScore(ctx, key, node).Err()
		if err == nil {
			return true, nil
		}
		if !store.IsNil(err) {
			return false, store.RedisError("nodes", err)
		}
	}
	return false, nil
}

// ClearStrangers unregisters connections of nodes that nobody watches any more.
func (ps *People) ClearStrangers(ctx context.Context, p store.Partition) error {
	keys, err := ps.store.Scan(ctx, p.All("conns"))
	if err != nil {
		return err
	}
	var gone []string
	for _, key := range keys {
		_, name, _ := store.Tagged(key)
		_, w, _ := strings.Cut(name, ":")
		held, err := ps.store.Pipe.HGetAll(ctx, key).Result()
		if err != nil {
			return store.RedisError("repair", err)
		}
		for device, conn := range held {
			node, _, _ := strings.Cut(conn, "/")
			alive, err := ps.watched(ctx, p, node)
			if err != nil {
				return err
			}
			if alive {
				continue
			}
			if !slices.Contains(gone, node) {
				gone = append(gone, node)
			}
			is, err := ps.Profile(ctx, chat.RoleAgent, chat.IDOf(w))
			if err != nil {
				return err
			}
			bye := chat.Farewell{Who: w, Queues: is.Queues, Node: node, Device: device, Conn: conn, Dead: true}
			if _, err := ps.Unregister(ctx, bye); err != nil {
				return err
			}
		}
	}
	if len(gone) > 0 {
		ps.store.Log.Warn("connections of nodes that are not there were cleared", "partition", p.Index, "nodes", gone)
	}
	return nil
}
