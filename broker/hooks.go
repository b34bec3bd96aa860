package broker

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

// Hook is told, one event at a time for each session, what happens in it. The
// broker defines it and package webhook implements it.
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
	hookPause    = time.Second           // what waits is looked for this often
	hookGather   = 10 * time.Millisecond // after this node has made an event
	hookPatience = 15 * time.Second      // of one attempt
	hookMargin   = 3 * time.Second       // of a lease, for what comes after an attempt
	hookPage     = 100                   // messages of one session at a time
	hooksAtOnce  = 64                    // sessions that this node delivers events of
	hookFarewell = time.Second           // what is being delivered has at the node's end
	hookLonger   = 24 * time.Hour        // the longest pause an endpoint may ask for
	deadLetters  = 10_000                // kept, over all partitions
)

// hookRetries are those that Standard Webhooks gives as an example.
var hookRetries = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// hooks tells the hook what happens. A session with something to tell is in
// the partition's `hooks`, put there by the script that changed it; any node
// takes it for a while, as the archiver does what is dirty, and how far it got
// is kept in the session. So events of a session are told in order, by one node
// at a time, and a crash gives them back.
type hooks struct {
	b        *Broker
	hook     Hook
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

	warned, buried, missed seldom

	delivered, failed, dead, dropped atomic.Int64
	lag                              hookLagCache
}

func newHooks(b *Broker, o Options) *hooks {
	h := &hooks{b: b, hook: o.Hook, retries: o.HookRetries,
		due: make([]atomic.Bool, len(b.Parts)), calls: make([]store.Borrower, len(b.Parts)), wake: make(chan struct{}, 1), places: make(chan struct{}, hooksAtOnce),
		patience: cmp.Or(o.hookPatience, hookPatience), keep: max(1, cmp.Or(o.hookKeep, deadLetters)/len(b.Parts))}
	if h.retries == nil {
		h.retries = hookRetries
	}
	if h.life = o.hookLife; h.life == 0 {
		h.life = time.Hour
		for _, pause := range h.retries {
			h.life += longest(pause) + h.patience
		}
	}
	return h
}

// nudge says that an event may have been made in a partition. It never waits.
func (h *hooks) nudge(p store.Partition) {
	h.due[p.Index].Store(true)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// start begins to deliver, until close or the broker's end.
func (h *hooks) start() {
	ctx, stop := context.WithCancel(h.b.Life)
	h.telling, h.cut = context.WithCancel(h.b.Life)
	h.stop, h.taking = stop, make(chan struct{})
	h.b.Tasks.Go(func() { h.sweep(ctx) })
	h.b.Tasks.Go(func() {
		defer close(h.taking)
		h.run(ctx)
	})
}

// close takes nothing more and gives what is being delivered a moment; the rest
// is given back, for another node.
func (h *hooks) close(ctx context.Context) {
	if h.stop == nil {
		return
	}
	h.stop()
	<-h.taking
	defer h.turns.Wait()
	defer h.cut()
	ctx, cancel := context.WithTimeout(ctx, hookFarewell)
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

// run takes what waits: at once where this node made it, every second for the rest.
func (h *hooks) run(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			all = true
			tick.Reset(store.Jitter(hookPause))
		case <-h.wake:
			if !store.Sleep(ctx, hookGather) {
				return
			}
		}
		first := rand.IntN(len(h.b.Parts)) //nolint:gosec // no secret
		for i := range h.b.Parts {
			p := h.b.Parts[(first+i)%len(h.b.Parts)]
			if h.due[p.Index].Swap(false) || all {
				h.take(ctx, p)
			}
		}
	}
}

// take takes as many sessions of a partition as there are places for; it waits for one.
func (h *hooks) take(ctx context.Context, p store.Partition) {
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return
	}
	n := 1
	for full := false; !full && n < hooksAtOnce; {
		select {
		case h.places <- struct{}{}:
			n++
		default:
			full = true
		}
	}
	list, err := h.collect(ctx, p, n)
	if err != nil && ctx.Err() == nil {
		h.b.Log.Warn("no events could be taken; again soon", "partition", p.Index, "error", err)
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
		h.nudge(p)
	}
}

// collect takes sessions; `until` is when the last attempt may begin.
func (h *hooks) collect(ctx context.Context, p store.Partition, limit int) ([]store.Collected, error) {
	return h.b.Collect(ctx, &h.calls[p.Index], p, "hooks|", p.Hooks(), p.HooksLate(), limit, 0, store.TakeLease-h.patience-hookMargin)
}

// sweep finds, once at the node's start, the sessions whose latest events no
// node with a hook made: they were made by one without, or come from a restore.
func (h *hooks) sweep(ctx context.Context) {
	for _, p := range h.b.Parts {
		for cursor := uint64(0); ; {
			list, next, err := h.b.Redis.ZScan(ctx, p.Sessions(), cursor, "", 500).Result()
			if err == nil {
				err = h.owed(ctx, p, list)
			}
			if err != nil {
				if ctx.Err() == nil {
					h.b.Log.Warn("not all sessions were looked through for events; those with a next one are told of it then", "error", err)
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
func (h *hooks) owed(ctx context.Context, p store.Partition, list []string) error {
	var got []*redis.SliceCmd
	_, err := h.b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
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
		if v := cmd.Val(); len(v) == 2 && v[1] != nil && archiving.Number(v[1]) < 2*archiving.Number(v[0]) {
			owed = append(owed, list[i*2])
		}
	}
	if len(owed) == 2 {
		return nil
	}
	_, err = h.b.Run(ctx, "later", []string{p.Hooks()}, owed...)
	return err
}

// seldom is for what is said once a minute, however often it happens.
type seldom struct{ last atomic.Int64 }

// again tells whether it is to be said, once for all who ask at a time.
func (s *seldom) again() bool {
	last, now := s.last.Load(), time.Now().Unix()
	return now-last >= 60 && s.last.CompareAndSwap(last, now)
}

// spread is d and up to a tenth more, so that what failed together does not come back together.
func spread(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(d)/10+1)) //nolint:gosec // no secret
}

// longest is the most that spread makes of d.
func longest(d time.Duration) time.Duration { return d + d/10 }
