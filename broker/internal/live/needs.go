package live

import (
	"context"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
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

// People knows what participants may.
type People interface {
	// Standing is what is set of one.
	Standing(ctx context.Context, role chat.Role, id string) (Standing, error)
	// Held is CodeUnauthorized if the token does not exist any more.
	Held(ctx context.Context, id chat.Identity) error
	// Tell publishes on a participant's own channel.
	Tell(ctx context.Context, role chat.Role, id string, p chat.Personal) error
}

// Standing is what is set of a participant, besides its tokens.
type Standing struct {
	Queues     []string
	Capacity   int
	Set        bool  // queues and capacity, by an administrator: the token's do not count
	Revoked    int64 // ms: tokens issued before do not hold
	Generation int64 // how often they were revoked
	Barred     bool  // disabled, or blocked
}

// Rules are the queues' settings, as far as they say what becomes of who is gone.
type Rules interface {
	// Ruled runs a script that uses settings; arg makes its argument anew each time.
	Ruled(ctx context.Context, script string, p store.Partition, keys []string, arg func() any) (store.Reply, error)
	// Grace is how long, in ms, an agent of these queues may be without a connection; 0: for ever.
	Grace(queues []string) int64
	// Keep is how long, in ms, the profile of a user who is not here is of use.
	Keep() int64
}
