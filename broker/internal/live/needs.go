package live

import (
	"context"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
)

// Sessions reads what Redis and the archive hold of sessions.
type Sessions interface {
	// Look reads a session as it is now, wherever it is.
	Look(ctx context.Context, session string) (*chat.Snapshot, error)
	// LookAll reads many of those that are in Redis; nil for one that is not.
	LookAll(ctx context.Context, sessions []string) ([]*chat.Snapshot, error)
	// ReadLog gives a session's entries from one seq to another, both inclusive.
	ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error)
	// Waiting are all that wait in a queue, in no order.
	Waiting(ctx context.Context, queue string) ([]redis.Z, error)
}

// People knows who participants are, and where they are connected.
type People interface {
	// Profile is what is known and set of one.
	Profile(ctx context.Context, role chat.Role, id string) (chat.Profile, error)
	// Held is CodeUnauthorized if the token does not exist any more.
	Held(ctx context.Context, id chat.Identity) error
	// Tell publishes on a participant's own channel.
	Tell(ctx context.Context, role chat.Role, id string, p chat.Personal) error
	// Register says that a device is here, by this connection.
	Register(ctx context.Context, id chat.Identity, device, conn string, again bool) (chat.Registered, error)
	// Unregister says that a device, or all of a node's, is gone.
	Unregister(ctx context.Context, f chat.Farewell) (alive bool, err error)
}
