package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/live"
	"bellhop/broker/internal/store"
)

// registrationCheck: a connection that Redis holds is of a node that lives, or that
// is being cleared away, and that node's own list names it. (The node's connections
// themselves only the node knows: it compares them every few minutes.)
func (a *auditor) registrationCheck(p store.Partition, w string) *check {
	return &check{7, []string{p.Conns(w), p.Nodes()}, func(ctx context.Context) (string, error) {
		held, err := a.b.store.Pipe.HGetAll(ctx, p.Conns(w)).Result()
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		for device, conn := range held {
			node, _, _ := strings.Cut(conn, "/")
			alive, err := a.b.watched(ctx, p, node)
			if err != nil {
				return "", err
			}
			if !alive {
				return fmt.Sprintf("device %q of %q is registered at a node that is not there, and nobody will clear it: %s", device, w, conn), nil
			}
			listed, err := a.b.store.Pipe.SIsMember(ctx, p.Node(node), w).Result()
			if err != nil || !listed {
				return fmt.Sprintf("device %q of %q is not in its node's list: %s", device, w, conn), store.RedisError("audit", err)
			}
		}
		return "", nil
	}}
}

// watched tells whether a node lives, or is being cleared away.
func (b *Broker) watched(ctx context.Context, p store.Partition, node string) (bool, error) {
	for _, key := range []string{p.Nodes(), p.Clearing()} {
		err := b.store.Pipe.ZScore(ctx, key, node).Err()
		if err == nil {
			return true, nil
		}
		if !store.IsNil(err) {
			return false, store.RedisError("nodes", err)
		}
	}
	return false, nil
}

// missingChecks: what had not ended in the archive is in Redis.
func (a *auditor) missingChecks(ctx context.Context) ([]*check, error) {
	var checks []*check
	if a.b.archiver == nil {
		return nil, nil
	}
	q := archiving.OpenSessions()
	for {
		page, err := a.b.opt.Archive.Sessions(ctx, q)
		if err != nil || len(page) == 0 {
			return checks, store.ArchiveError("audit", err)
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		for _, doc := range page {
			if p, ok := a.b.store.Of(doc.ID); ok && a.concerns(doc.ID) {
				checks = append(checks, a.missingCheck(p, doc.ID))
			}
		}
	}
}

func (a *auditor) missingCheck(p store.Partition, session string) *check {
	return &check{6, []string{p.Session(session)}, func(ctx context.Context) (string, error) {
		n, err := a.b.store.Pipe.Exists(ctx, p.Session(session)).Result()
		if err != nil || n > 0 {
			return "", store.RedisError("audit", err)
		}
		doc, err := a.b.opt.Archive.Session(ctx, session)
		if errors.Is(err, archive.ErrNotFound) || err == nil && doc.State == string(chat.Ended) {
			return "", nil
		}
		return fmt.Sprintf("the archive has it %s, and Redis does not have it", doc.State), store.ArchiveError("audit", err)
	}}
}

// repair does by hand what nodes do when they see Redis fall back: connections are
// registered again (by the nodes), those of nodes that are not there are cleared,
// the archive and agents' places are compared.
func (b *Broker) repair(ctx context.Context) error {
	for _, p := range b.store.Parts {
		if err := b.strangers(ctx, p); err != nil {
			return err
		}
		if _, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, ""); err != nil {
			return err
		}
		if err := b.mend(ctx, p, "by hand"); err != nil {
			return err
		}
	}
	return nil
}

// strangers unregisters connections of nodes that nobody watches any more.
func (b *Broker) strangers(ctx context.Context, p store.Partition) error {
	keys, err := b.scan(ctx, p.All("conns"))
	if err != nil {
		return err
	}
	var gone []string
	for _, key := range keys {
		_, name, _ := store.Tagged(key)
		_, w, _ := strings.Cut(name, ":")
		held, err := b.store.Pipe.HGetAll(ctx, key).Result()
		if err != nil {
			return store.RedisError("repair", err)
		}
		for device, conn := range held {
			node, _, _ := strings.Cut(conn, "/")
			alive, err := b.watched(ctx, p, node)
			if err != nil {
				return err
			}
			if alive {
				continue
			}
			if !slices.Contains(gone, node) {
				gone = append(gone, node)
			}
			prof, err := b.people.Profile(ctx, chat.RoleAgent, chat.IDOf(w))
			if err != nil {
				return err
			}
			bye := live.Farewell{Who: w, Queues: prof.Queues, Node: node, Device: device, Conn: conn, Dead: true}
			if _, err := b.hub.Unregister(ctx, bye); err != nil {
				return err
			}
		}
	}
	if len(gone) > 0 {
		b.store.Log.Warn("connections of nodes that are not there were cleared", "partition", p.Index, "nodes", gone)
	}
	return nil
}
