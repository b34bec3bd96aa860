package live

import (
	"context"
	"time"

	"bellhop/broker/chat"
)

// Sessions reads what Redis and the archive hold of sessions.
type Sessions interface {
	// Look reads a session as it is now, wherever it is.
	Look(ctx context.Context, session string) (*chat.Snapshot, error)
	// Confirm is Look for who knows the session as a transition left it just now: cheaper, where nothing happened since.
	Confirm(ctx context.Context, st *chat.Snapshot) (*chat.Snapshot, error)
	// LookAll reads many of those that are in Redis; nil for one that is not.
	LookAll(ctx context.Context, sessions []string) ([]*chat.Snapshot, error)
	// ReadLog gives a session's entries from one seq to another, both inclusive.
	ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error)
}

// Watched are the queues that somebody here watches.
type Watched interface {
	// Watch shows a queue, and lets its events follow until Leave.
	Watch(ctx context.Context, c chat.QueueWatcher, queue string) (chat.QueueView, error)
	// Leave ends that, if it began.
	Leave(c chat.QueueWatcher, queue string)
	// Handle takes what came on a queue's channel.
	Handle(queue, payload string)
	// Resync has all that was lost on those channels read again.
	Resync()
}

// Line is who waits in which place.
type Line interface {
	// Keep has these queues followed, and no others.
	Keep(ctx context.Context, queues []string)
	// Positions are those in one of them, by session, and how long each takes; 0: not known.
	Positions(queue string) (at map[string]int, each time.Duration)
}

// People knows who participants are.
type People interface {
	// Profile is what is known and set of one.
	Profile(ctx context.Context, role chat.Role, id string) (chat.Profile, error)
	// Held is CodeUnauthorized if the token does not exist any more.
	Held(ctx context.Context, id chat.Identity) error
	// Tell publishes on a participant's own channel.
	Tell(ctx context.Context, role chat.Role, id string, p chat.Personal) error
}

// Presence is where participants are connected, as Redis has it.
type Presence interface {
	// Register says that a device is here, by this connection.
	Register(ctx context.Context, id chat.Identity, device, conn string, again bool) (chat.Registered, error)
	// Unregister says that a device, or all of a node's, is gone.
	Unregister(ctx context.Context, f chat.Farewell) (alive bool, err error)
}
