package broker

import (
	"context"
	"slices"
	"sort"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/live"
	"bellhop/broker/internal/sessions"
)

// Conn is one device of a participant at this node. Its methods may be called
// concurrently; commands are the Broker's, given an Actor with this Conn.
type Conn = live.Conn

// device is the connection at this node that a command came by; nil over HTTP.
func device(a chat.Actor) *Conn {
	c, _ := a.Conn.(*Conn)
	return c
}

// Connect registers a device and delivers hello to the sink as its first
// event. An empty device gets a name of its own. CodeRateLimited: too many
// devices; CodeUnauthorized: revoked meanwhile; CodeBlocked.
func (b *Broker) Connect(ctx context.Context, id chat.Identity, device string, sink chat.Sink) (*Conn, error) {
	return b.hub.Connect(ctx, id, device, sink)
}

// Watch shows queues, one's own unless named, and lets their events follow.
// A later call adds to what is watched.
func (b *Broker) Watch(ctx context.Context, a chat.Actor, queues []string) ([]chat.QueueView, error) {
	if err := chat.Allow(a, chat.ActWatch); err != nil {
		return nil, err
	}
	c := device(a)
	if c == nil {
		return nil, chat.Errorf(chat.CodeBadRequest, "watch: needs a connection")
	}
	if queues == nil {
		queues = a.Queues
	}
	if len(queues) > chat.MaxQueuesOfOne {
		return nil, chat.Errorf(chat.CodeTooLarge, "queues: at most %d", chat.MaxQueuesOfOne)
	}
	sort.Strings(queues)
	queues = slices.Compact(queues)
	if err := c.MayWatch(queues); err != nil {
		return nil, err
	}
	for _, q := range queues {
		if err := chat.ValidID("queues", q); err != nil {
			return nil, err
		}
		if a.Role != chat.RoleSupervisor && !chat.Contains(a.Queues, q) {
			return nil, chat.Errorf(chat.CodeForbidden, "not of your queues")
		}
	}
	return b.hub.Watch(ctx, c, queues)
}

// liveSessions are sessions as the hub asks for them.
type liveSessions struct {
	*sessions.Reader
	b *Broker
}

// LookAll reads many of those that are in Redis.
func (s liveSessions) LookAll(ctx context.Context, ids []string) ([]*chat.Snapshot, error) {
	list := make([]sessions.Cursor, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return s.Reader.LookAll(ctx, list)
}

// Waiting are all that wait in a queue.
func (s liveSessions) Waiting(ctx context.Context, queue string) ([]redis.Z, error) {
	return s.b.waiting.UpTo(ctx, queue, -1)
}
