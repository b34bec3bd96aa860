package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bellhop/archive"
	"bellhop/broker/chat"
)

// registrationCheck: a connection that Redis holds is of a node that lives, or that
// is being cleared away, and that node's own list names it. (The node's connections
// themselves only the node knows: it compares them every few minutes.)
func (a *auditor) registrationCheck(p partition, w string) *check {
	return &check{7, []string{p.conns(w), p.nodes()}, func(ctx context.Context) (string, error) {
		held, err := a.b.pipe.HGetAll(ctx, p.conns(w)).Result()
		if err != nil {
			return "", redisError("audit", err)
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
			listed, err := a.b.pipe.SIsMember(ctx, p.node(node), w).Result()
			if err != nil || !listed {
				return fmt.Sprintf("device %q of %q is not in its node's list: %s", device, w, conn), redisError("audit", err)
			}
		}
		return "", nil
	}}
}

// watched tells whether a node lives, or is being cleared away.
func (b *Broker) watched(ctx context.Context, p partition, node string) (bool, error) {
	for _, key := range []string{p.nodes(), p.clearing()} {
		err := b.pipe.ZScore(ctx, key, node).Err()
		if err == nil {
			return true, nil
		}
		if !isNil(err) {
			return false, redisError("nodes", err)
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
	q := openSessions()
	for {
		page, err := a.b.archiver.store.Sessions(ctx, q)
		if err != nil || len(page) == 0 {
			return checks, archiveError("audit", err)
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		for _, doc := range page {
			if p, ok := a.b.of(doc.ID); ok && a.concerns(doc.ID) {
				checks = append(checks, a.missingCheck(p, doc.ID))
			}
		}
	}
}

func (a *auditor) missingCheck(p partition, session string) *check {
	return &check{6, []string{p.session(session)}, func(ctx context.Context) (string, error) {
		n, err := a.b.pipe.Exists(ctx, p.session(session)).Result()
		if err != nil || n > 0 {
			return "", redisError("audit", err)
		}
		doc, err := a.b.archiver.store.Session(ctx, session)
		if errors.Is(err, archive.ErrNotFound) || err == nil && doc.State == string(chat.Ended) {
			return "", nil
		}
		return fmt.Sprintf("the archive has it %s, and Redis does not have it", doc.State), archiveError("audit", err)
	}}
}

// repair does by hand what nodes do when they see Redis fall back: connections are
// registered again (by the nodes), those of nodes that are not there are cleared,
// the archive and agents' places are compared.
func (b *Broker) repair(ctx context.Context) error {
	for _, p := range b.parts {
		if err := b.strangers(ctx, p); err != nil {
			return err
		}
		if _, err := b.run(ctx, "renew", []string{p.epoch(), p.timers()}, ""); err != nil {
			return err
		}
		if err := b.mend(ctx, p, "by hand"); err != nil {
			return err
		}
	}
	return nil
}

// strangers unregisters connections of nodes that nobody watches any more.
func (b *Broker) strangers(ctx context.Context, p partition) error {
	keys, err := b.scan(ctx, p.all("conns"))
	if err != nil {
		return err
	}
	var gone []string
	for _, key := range keys {
		_, name, _ := tagged(key)
		_, w, _ := strings.Cut(name, ":")
		held, err := b.pipe.HGetAll(ctx, key).Result()
		if err != nil {
			return redisError("repair", err)
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
			prof, err := b.profile(ctx, chat.RoleAgent, chat.IDOf(w))
			if err != nil {
				return err
			}
			bye := disconnectArgs{Who: w, Node: node, Device: device, Conn: conn, Dead: true}
			if _, err := b.unregister(ctx, bye, chat.Identity{ID: chat.IDOf(w), Queues: prof.queues}); err != nil {
				return err
			}
		}
	}
	if len(gone) > 0 {
		b.log.Warn("connections of nodes that are not there were cleared", "partition", p.index, "nodes", gone)
	}
	return nil
}
