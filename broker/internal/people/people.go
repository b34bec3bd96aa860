// Package people knows who somebody is, where it is connected, and what it may do how often.
//
// # What it promises
//
// What an administrator has set of an agent stays, whatever its tokens say and whoever
// sets something else of it at the same moment. A token that was revoked speaks for
// nobody any more, on every node; one that was issued afterwards works at once. A blocked
// user is told to all its open sessions. What must outlive Redis of profiles and tokens can be
// kept elsewhere, and put back. How many agents name each queue, and who they are, is written
// where they get their queues; whoever was to hear how one of them is can tell that it did not. One connection of a device is registered at a time. A node that beats
// is never taken for dead; the connections of one that does not are cleared, by some node.
// A user sends, opens and uploads no faster than its rate over all
// nodes together, staff hardly; lists and bytes read are counted at each node (commands are
// live's, bytes uploaded in a day are of uploads).
//
// # Keys and scripts
//
// Its keys are profile, ahead, token, agents, named, crews, presences, strange, rate, conns, node and clearing, and
// of nodes who is taken off (take.lua is the heartbeat); a profile's key is also
// the channel of its participant: see Tell. Its scripts are those of scripts/people.
// Scripts of others write to its keys,
// too: send, open and reopen, and those that give and take places.
// Of others' keys it reads how many sessions an agent holds (load), which a user has open
// and who waits in a queue.
//
// # Loops and locks
//
// It runs no loop; Limits.Sweep is to be called now and then. Limits.mu → Sender.mu. No
// lock is held while Redis is asked.
package people

import (
	"context"
	"encoding/json"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Options of People.
type Options struct {
	// JWT, if set, is asked about tokens that look like a JWT.
	JWT func(ctx context.Context, token string) (chat.Identity, error)
	// Leeway is how far ahead of the clock a JWT may say that it was issued.
	Leeway time.Duration
	// OpenSessions is how many sessions one user may have open; not positive: any number.
	OpenSessions int
	// IsSet tells whether somebody has set a queue.
	IsSet func(queue string) bool
	Rules Rules
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

// People are all participants that Redis knows. Its methods may be called concurrently.
type People struct {
	store  *store.Store
	opt    Options
	served served
}

// New makes them known through a store, which may be opened afterwards.
func New(s *store.Store, o Options) *People { return &People{store: s, opt: o} }

// Tell publishes on a participant's own channel.
func (ps *People) Tell(ctx context.Context, role chat.Role, id string, what chat.Personal) error {
	data, err := json.Marshal(what)
	if err != nil {
		return err
	}
	channel := ps.store.Home(id).Profile(chat.Who(role, id))
	if ps.store.Sharded {
		return store.RedisError("tell", ps.store.Redis.SPublish(ctx, channel, data).Err())
	}
	return store.RedisError("tell", ps.store.Redis.Publish(ctx, channel, data).Err())
}
