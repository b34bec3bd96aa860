// Package hooks tells a host application what happens in the sessions: the one
// way by which events leave for a webhook.
//
// # What it promises
//
// The events of a session are told in order, one at a time over all nodes, each until
// it is taken or is among the dead letters. A crash repeats one event of a session
// at most, with the id it had. An endpoint that fails or hangs delays nothing but
// its own events.
//
// # What is its own
//
// Of a partition the keys `hooks` (sessions with something to tell, by when), `hooks-late`
// (since when what is being told or tried again waits) and `dead` (what was given up); of a session the
// fields `hooked` (how far it was told) and `hook_tries`. The script hooked.lua; by the lines that begin with `--#hooks`
// the other scripts put a session into `hooks` where they make an event.
//
// # Loops
//
// Start runs two: one takes what waits, once a second and when Nudge says so, and gives each session to
// a goroutine of its own, 64 at most; the other looks once through all sessions for what nobody
// put into `hooks`. Close ends the first before the rest of the node.
//
// # Locks
//
// One, of the measured lag; it is held while Redis is asked, by who asks for the lag only.
package hooks

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Hook is told, one event at a time for each session, what happens in it. Package
// webhook implements it.
type Hook interface {
	// Deliver gives one event, and nil once it was taken. The id is the event's own,
	// the same each time it is tried; the body is JSON. It may be called from any
	// goroutine and ends with its context.
	//
	// An error may have a method Gone() bool, true where trying again is no use, and
	// one RetryAfter() time.Duration, how long to wait at least, 0 for no matter.
	Deliver(ctx context.Context, id string, body []byte) error
}

const (
	lookPause   = time.Second           // what waits is looked for this often
	gatherPause = 10 * time.Millisecond // after this node has made an event
	patience    = 15 * time.Second      // of one attempt
	margin      = 3 * time.Second       // of a lease, for what comes after an attempt
	pageSize    = 100                   // messages of one session at a time
	farewell    = time.Second           // what is being delivered has at the node's end
	longestWait = 24 * time.Hour        // the longest pause an endpoint may ask for
	deadLetters = 10_000                // kept, over all partitions
)

// AtOnce is how many sessions a node tells of at a time.
const AtOnce = 64

// retries are those that Standard Webhooks gives as an example.
var retries = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// Options of a Teller.
type Options struct {
	Hook     Hook            // nil: nothing is told, but dead letters of before can be seen
	Retries  []time.Duration // the pauses before what was not taken is tried again; nil: those of Standard Webhooks
	Patience time.Duration   // of one attempt; 15 s when 0
	Life     time.Duration   // an older event is not tried for long; what the retries take and an hour when 0
	Keep     int             // dead letters; 10,000 when 0
	BasePath string          // the path below which files are found
}

// Sessions are where events are made of. What has left Redis is there, too.
type Sessions interface {
	// Look gives a session as it is now; CodeNotFound where there is none.
	Look(ctx context.Context, session string) (*chat.Snapshot, error)
	// ReadLog gives a session's entries from one seq to another, ascending; those that nobody has any more are left out.
	ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error)
	// Heard tells whether a user has a connection, or has read an entry of a session of its own that is in Redis.
	Heard(ctx context.Context, session, user string, seq int64) (bool, error)
}

// Teller tells the hook what happens. A session with something to tell is in
// the partition's `hooks`, put there by the script that changed it; any node
// takes it for a while, as the archiver does what is dirty, and how far it got
// is kept in the session. So events of a session are told in order, by one node
// at a time, and a crash gives them back.
type Teller struct {
	store    *store.Store
	sessions Sessions
	hook     Hook // nil: nothing is told
	base     string
	retries  []time.Duration
	life     time.Duration // an older event is not tried for long
	patience time.Duration // of one attempt
	keep     int           // letters of a partition

	calls  []store.Borrower // by partition
	due    []atomic.Bool    // by partition: this node made an event there
	wake   chan struct{}
	places chan struct{} // one for each session being told of

	stop    context.CancelFunc // nothing more is taken then
	cut     context.CancelFunc // nor delivered
	taking  chan struct{}      // closed when nothing more is taken
	turns   sync.WaitGroup
	telling context.Context //nolint:containedctx // the life of what is being delivered

	warned, buried, missed store.Seldom

	delivered, failed, dead, dropped atomic.Int64
	lag                              lagCache
}

// New makes a Teller of a store that has been opened.
func New(s *store.Store, sessions Sessions, o Options) *Teller {
	h := &Teller{store: s, sessions: sessions, hook: o.Hook, base: o.BasePath, retries: o.Retries,
		due: make([]atomic.Bool, len(s.Parts)), calls: make([]store.Borrower, len(s.Parts)), wake: make(chan struct{}, 1), places: make(chan struct{}, AtOnce),
		patience: cmp.Or(o.Patience, patience), keep: max(1, cmp.Or(o.Keep, deadLetters)/len(s.Parts))}
	if h.retries == nil {
		h.retries = retries
	}
	if h.life = o.Life; h.life == 0 {
		h.life = time.Hour
		for _, pause := range h.retries {
			h.life += longest(pause) + h.patience
		}
	}
	return h
}

// Nudge says that an event may have been made in a partition. It never waits.
func (h *Teller) Nudge(p store.Partition) {
	h.due[p.Index].Store(true)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Start begins to deliver, until Close or the store's end. Without a hook it does nothing.
func (h *Teller) Start() {
	if h.hook == nil {
		return
	}
	ctx, stop := context.WithCancel(h.store.Life)
	h.telling, h.cut = context.WithCancel(h.store.Life)
	h.stop, h.taking = stop, make(chan struct{})
	h.store.Tasks.Go(func() { h.sweep(ctx) })
	h.store.Tasks.Go(func() {
		defer close(h.taking)
		h.run(ctx)
	})
}

// Close takes nothing more and gives what is being delivered a moment; the rest
// is given back, for another node.
func (h *Teller) Close(ctx context.Context) {
	if h.stop == nil {
		return
	}
	h.stop()
	<-h.taking
	defer h.turns.Wait()
	defer h.cut()
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		h.turns.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Telling is how many sessions this node tells of now, or has a place for that it is about to fill.
func (h *Teller) Telling() int { return len(h.places) }

// run takes what waits: at once where this node made it, or was told that it waits; once more where Redis did not answer.
func (h *Teller) run(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for all := true; ; all = false {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Reset(store.Jitter(lookPause))
		case <-h.wake:
			if !store.Sleep(ctx, gatherPause) {
				return
			}
		}
		first := rand.IntN(len(h.store.Parts)) //nolint:gosec // no secret
		for i := range h.store.Parts {
			p := h.store.Parts[(first+i)%len(h.store.Parts)]
			if h.due[p.Index].Swap(false) || all {
				h.take(ctx, p)
			}
		}
	}
}

// take takes as many sessions of a partition as there are places for; it waits for one.
func (h *Teller) take(ctx context.Context, p store.Partition) {
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return
	}
	n := 1
	for full := false; !full && n < AtOnce; {
		select {
		case h.places <- struct{}{}:
			n++
		default:
			full = true
		}
	}
	list, err := h.collect(ctx, p, n)
	if err != nil && ctx.Err() == nil {
		h.store.Log.Warn("no events could be taken; again soon", "partition", p.Index, "error", err)
		h.due[p.Index].Store(true) // with the next tick
	}
	for _, c := range list {
		h.turns.Go(func() {
			defer func() { <-h.places }()
			h.turn(h.telling, c)
		})
	}
	for range n - len(list) {
		<-h.places
	}
	if len(list) == n { // there may be more
		h.Nudge(p)
	}
}

// collect takes sessions; `until` is when the last attempt may begin.
func (h *Teller) collect(ctx context.Context, p store.Partition, limit int) ([]store.Collected, error) {
	return h.store.Collect(ctx, &h.calls[p.Index], p, store.ForHooks, p.Hooks(), p.HooksLate(), limit, 0, store.TakeLease-h.patience-margin)
}

// sweep finds, once at the node's start, the sessions whose latest events no
// node with a hook made: they were made by one without, or come from a restore.
func (h *Teller) sweep(ctx context.Context) {
	for _, p := range h.store.Parts {
		for cursor := uint64(0); ; {
			list, next, err := h.store.Redis.ZScan(ctx, p.Sessions(), cursor, "", 500).Result()
			if err == nil {
				err = h.owed(ctx, p, list)
			}
			if err != nil {
				if ctx.Err() == nil {
					h.store.Log.Warn("not all sessions were looked through for events; those with a next one are told of it then", "error", err)
				}
				return
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
}

// owed puts those sessions into `hooks` whose events have not all been told.
// list is members and scores in turn.
func (h *Teller) owed(ctx context.Context, p store.Partition, list []string) error {
	var got []*redis.SliceCmd
	_, err := h.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := 0; i < len(list); i += 2 {
			got = append(got, pipe.HMGet(ctx, p.Session(list[i]), "seq", "hooked"))
		}
		return nil
	})
	if err != nil {
		return store.RedisError("hooks", err)
	}
	owed := []any{0, "NX"}
	for i, cmd := range got {
		if v := store.Reply(cmd.Val()); len(v) == 2 && v[1] != nil && v.Num(1) < steps*v.Num(0) {
			owed = append(owed, list[i*2])
		}
	}
	if len(owed) == 2 {
		return nil
	}
	_, err = h.store.Run(ctx, "later", []string{p.Hooks()}, owed...)
	return err
}

// spread is d and up to a tenth more, so that what failed together does not come back together.
func spread(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(d)/10+1)) //nolint:gosec // no secret
}

// longest is the most that spread makes of d.
func longest(d time.Duration) time.Duration { return d + d/10 }
