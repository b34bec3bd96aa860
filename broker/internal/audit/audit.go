// Package audit checks the promises on a live deployment, through what each room says must hold
// of what it owns.
//
// # What it promises
//
// What it reports was seen wrong each of several times, a pause apart: an audit is no snapshot,
// and what is not seen every time was on its way. It changes nothing, and costs no more commands a
// second than it was told.
//
// # Keys and scripts
//
// It owns none, and reads the lists of sessions, waiting lists, loads and connections to know
// what to ask the rooms for. It runs no loop. auditor.mu is held by nobody who asks Redis.
package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"bellhop/broker/internal/store"
)

// Violation is a broken promise that lasts.
type Violation struct {
	Promise int // its number in the README
	What    string
	Keys    []string // in Redis
}

func (v Violation) String() string {
	return fmt.Sprintf("promise %d: %s [%s]", v.Promise, v.What, strings.Join(v.Keys, " "))
}

// Options bound what an audit costs.
type Options struct {
	// Rate is how many checks a second are made, 2,000. Each is a few commands.
	Rate float64
	// Slack is how late something may be, a minute; negative for not at all.
	Slack time.Duration
	// Progress, if not nil, is called one call at a time.
	Progress func(done, total int)

	// Repair, if set, mends what a Redis that fell back, or a fault of ours, left
	// behind: registrations, places, and what the archive has and Redis has not.
	// What is given then is what is still wrong.
	Repair bool

	Since int64 // only sessions created since, ms; for tests that share a Redis
}

const (
	tries = 6           // an audit is no snapshot: what is not seen every time was on its way
	pause = time.Second // between two of them
	slack = time.Minute
)

// Lateness is Slack, or what it is unless set.
func (o Options) Lateness() time.Duration {
	if o.Slack == 0 {
		return slack
	}
	return o.Slack
}

// Rooms say what must hold.
type Rooms struct {
	// Session are the checks of a session in Redis, and Partition those of a partition.
	Session   []func(p store.Partition, session string) []store.Check
	Partition []func(p store.Partition) []store.Check
	// Waiting is the check of a session in a queue's list, Held that of one in an agent's load, and
	// Capacity that of the agent.
	Waiting, Held func(p store.Partition, id, session string) store.Check
	Capacity      func(p store.Partition, agent string) store.Check
	// Registration is the check of a participant's connections.
	Registration func(p store.Partition, who string) store.Check
	// Archive, if set, gives the checks of what is in the archive; of the sessions that concern.
	Archive func(ctx context.Context, concerns func(session string) bool) ([]store.Check, error)
}

// Run makes all checks, and gives what is wrong.
func Run(ctx context.Context, s *store.Store, rooms Rooms, o Options) ([]Violation, error) {
	if o.Rate == 0 {
		o.Rate = 2000
	}
	o.Slack = o.Lateness()
	a := &auditor{store: s, rooms: rooms, o: o, pace: rate.NewLimiter(rate.Limit(o.Rate), 64)}
	checks, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	suspects, err := a.all(ctx, checks)
	for try := 1; err == nil && try < tries && len(suspects) > 0; try++ {
		if !store.Sleep(ctx, pause) {
			return nil, ctx.Err()
		}
		a.done = len(checks) // the bar stays full
		suspects, err = a.all(ctx, suspects)
	}
	out := make([]Violation, 0, len(suspects))
	for _, c := range suspects {
		out = append(out, Violation{c.Promise, a.found[c], c.Keys})
	}
	return out, err
}

// auditor is an audit under way.
type auditor struct {
	store *store.Store
	rooms Rooms
	o     Options
	pace  *rate.Limiter

	checks []*store.Check

	mu    sync.Mutex
	total int
	done  int
	found map[*store.Check]string
}

// all makes checks and gives those that failed, in order.
func (a *auditor) all(ctx context.Context, checks []*store.Check) ([]*store.Check, error) {
	a.found = map[*store.Check]string{}
	a.total = max(a.total, len(checks))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, c := range checks {
		if err := a.pace.Wait(within); err != nil {
			break // the group, or the context, says why
		}
		g.Go(func() error {
			what, err := c.Run(within)
			if err != nil {
				return err
			}
			a.note(c, what)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var failed []*store.Check
	for _, c := range checks {
		if a.found[c] != "" {
			failed = append(failed, c)
		}
	}
	return failed, ctx.Err()
}

func (a *auditor) note(c *store.Check, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if what != "" {
		a.found[c] = what
	}
	a.done++
	if a.o.Progress != nil {
		a.o.Progress(min(a.done, a.total), a.total)
	}
}

// list makes the checks of all sessions, lists and loads there are.
func (a *auditor) list(ctx context.Context) ([]*store.Check, error) {
	for _, p := range a.store.Parts {
		if err := a.sessions(ctx, p); err != nil {
			return nil, err
		}
		for _, checks := range a.rooms.Partition {
			a.add(checks(p)...)
		}
		a.add(a.dueCheck(p.Outbox(), a.o.Slack), a.dueCheck(p.Timers(), max(0, a.o.Slack)))
	}
	if a.rooms.Archive != nil {
		checks, err := a.rooms.Archive(ctx, a.concerns)
		if err != nil {
			return nil, err
		}
		a.add(checks...)
	}
	keys, err := a.store.Scan(ctx, "{*}:[wlc]*:*")
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := a.key(ctx, key); err != nil {
			return nil, err
		}
	}
	return a.checks, nil
}

func (a *auditor) add(checks ...store.Check) {
	for i := range checks {
		a.checks = append(a.checks, &checks[i])
	}
}

// sessions adds the checks of a partition's sessions.
func (a *auditor) sessions(ctx context.Context, p store.Partition) error {
	for start := int64(0); ; start += 1000 {
		ids, err := a.store.Redis.ZRangeArgs(ctx, redis.ZRangeArgs{Key: p.Sessions(), ByScore: true, Start: a.o.Since,
			Stop: "+inf", Offset: start, Count: 1000}).Result()
		if err != nil {
			return store.RedisError("audit", err)
		}
		for _, id := range ids {
			for _, checks := range a.rooms.Session {
				a.add(checks(p, id)...)
			}
		}
		if len(ids) < 1000 {
			return nil
		}
	}
}

// key adds the checks of a waiting list, a load or a participant's connections.
func (a *auditor) key(ctx context.Context, key string) error {
	tag, name, _ := store.Tagged(key)
	p, ours := a.store.Tag(tag)
	kind, id, _ := strings.Cut(name, ":")
	if !ours {
		return nil
	}
	switch kind {
	case "waiting":
		members, err := a.store.Redis.ZRange(ctx, key, 0, -1).Result()
		if err != nil {
			return store.RedisError("audit", err)
		}
		for _, s := range members {
			if a.concerns(s) {
				a.add(a.rooms.Waiting(p, id, s))
			}
		}
	case "load":
		load, err := a.store.Redis.HKeys(ctx, key).Result()
		if err != nil {
			return store.RedisError("audit", err)
		}
		some := false
		for _, s := range load {
			if a.concerns(s) {
				some = true
				a.add(a.rooms.Held(p, id, s))
			}
		}
		if some {
			a.add(a.rooms.Capacity(p, id))
		}
	case "conns":
		a.add(a.rooms.Registration(p, id))
	}
	return nil
}

func (a *auditor) concerns(session string) bool {
	return store.Created(session, a.o.Since) >= a.o.Since
}

// dueCheck: what is due is carried out.
func (a *auditor) dueCheck(key string, slack time.Duration) store.Check {
	return store.Check{Promise: 7, Keys: []string{key}, Run: func(ctx context.Context) (string, error) {
		late := strconv.FormatInt(time.Now().Add(-slack).UnixMilli(), 10)
		n, err := a.store.Pipe.ZCount(ctx, key, "-inf", late).Result()
		if err != nil || n == 0 {
			return "", store.RedisError("audit", err)
		}
		return fmt.Sprintf("%d are more than %s late", n, max(0, slack)), nil
	}}
}
