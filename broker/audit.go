package broker

import (
	"context"
	"fmt"
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

// AuditOptions bound what an audit costs.
type AuditOptions struct {
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

	since int64 // only sessions created since, ms; for tests that share a Redis
}

const (
	auditTries = 6           // an audit is no snapshot: what is not seen every time was on its way
	auditPause = time.Second // between two of them
	auditSlack = time.Minute
)

// Audit checks the promises on everything in Redis, and against the archive, while
// nodes go on working. It changes nothing unless it is to repair. The options are
// those of the nodes.
func Audit(ctx context.Context, o Options, a AuditOptions) ([]Violation, error) {
	b, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.store.Pipe.Close() }()
	if err := b.settings.Load(ctx); err != nil {
		return nil, err
	}
	found, err := b.audit(ctx, a)
	if err != nil || len(found) == 0 || !a.Repair {
		return found, err
	}
	if err := b.repair(ctx); err != nil {
		return found, err
	}
	return b.audit(ctx, a)
}

// check is one thing that must hold. It tells what is wrong, or nothing.
type check struct {
	promise int
	keys    []string
	run     func(ctx context.Context) (string, error)
}

func (b *Broker) audit(ctx context.Context, o AuditOptions) ([]Violation, error) {
	if o.Rate == 0 {
		o.Rate = 2000
	}
	if o.Slack == 0 {
		o.Slack = auditSlack
	}
	a := &auditor{b: b, o: o, pace: rate.NewLimiter(rate.Limit(o.Rate), 64)}
	checks, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	suspects, err := a.all(ctx, checks)
	for try := 1; err == nil && try < auditTries && len(suspects) > 0; try++ {
		if !store.Sleep(ctx, auditPause) {
			return nil, ctx.Err()
		}
		a.done = len(checks) // the bar stays full
		suspects, err = a.all(ctx, suspects)
	}
	out := make([]Violation, 0, len(suspects))
	for _, s := range suspects {
		out = append(out, Violation{s.promise, a.found[s], s.keys})
	}
	return out, err
}

// auditor is an audit under way.
type auditor struct {
	b    *Broker
	o    AuditOptions
	pace *rate.Limiter

	mu    sync.Mutex
	total int
	done  int
	found map[*check]string
}

// all makes checks and gives those that failed, in order.
func (a *auditor) all(ctx context.Context, checks []*check) ([]*check, error) {
	a.found = map[*check]string{}
	a.total = max(a.total, len(checks))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, c := range checks {
		if err := a.pace.Wait(within); err != nil {
			break // the group, or the context, says why
		}
		g.Go(func() error {
			what, err := c.run(within)
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
	var failed []*check
	for _, c := range checks {
		if a.found[c] != "" {
			failed = append(failed, c)
		}
	}
	return failed, ctx.Err()
}

func (a *auditor) note(c *check, what string) {
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
func (a *auditor) list(ctx context.Context) ([]*check, error) {
	var checks []*check
	for _, p := range a.b.store.Parts {
		for start := int64(0); ; start += 1000 {
			ids, err := a.b.store.Redis.ZRangeArgs(ctx, redis.ZRangeArgs{Key: p.Sessions(), ByScore: true, Start: a.o.since,
				Stop: "+inf", Offset: start, Count: 1000}).Result()
			if err != nil {
				return nil, store.RedisError("audit", err)
			}
			for _, id := range ids {
				checks = append(checks, a.sessionChecks(p, id)...)
			}
			if len(ids) < 1000 {
				break
			}
		}
		checks = append(checks, a.statesCheck(p), a.dueCheck(p.Outbox(), a.o.Slack), a.dueCheck(p.Timers(), max(0, a.o.Slack)))
	}
	missing, err := a.missingChecks(ctx)
	if err != nil {
		return nil, err
	}
	checks = append(checks, missing...)
	keys, err := a.b.scan(ctx, "{*}:[wlc]*:*")
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		more, err := a.keyChecks(ctx, key)
		if err != nil {
			return nil, err
		}
		checks = append(checks, more...)
	}
	return checks, nil
}

// keyChecks are those of a waiting list or a load.
func (a *auditor) keyChecks(ctx context.Context, key string) ([]*check, error) {
	tag, name, _ := store.Tagged(key)
	part := a.b.byTag(tag)
	kind, id, _ := strings.Cut(name, ":")
	if part == nil {
		return nil, nil // not ours
	}
	var checks []*check
	switch kind {
	case "waiting":
		members, err := a.b.store.Redis.ZRange(ctx, key, 0, -1).Result()
		if err != nil {
			return nil, store.RedisError("audit", err)
		}
		for _, s := range members {
			if a.concerns(s) {
				checks = append(checks, a.waitingCheck(*part, id, s))
			}
		}
	case "load":
		load, err := a.b.store.Redis.HKeys(ctx, key).Result()
		if err != nil {
			return nil, store.RedisError("audit", err)
		}
		for _, s := range load {
			if a.concerns(s) {
				checks = append(checks, a.placeCheck(*part, id, s))
			}
		}
		if len(checks) > 0 {
			checks = append(checks, a.capacityCheck(*part, id))
		}
	case "conns":
		checks = append(checks, a.registrationCheck(*part, id))
	}
	return checks, nil
}

func (a *auditor) concerns(session string) bool {
	return store.Created(session, a.o.since) >= a.o.since
}

func (b *Broker) byTag(tag string) *store.Partition {
	for i := range b.store.Parts {
		if b.store.Parts[i].Tag == tag {
			return &b.store.Parts[i]
		}
	}
	return nil
}

// scan lists keys on every master.
func (b *Broker) scan(ctx context.Context, pattern string) ([]string, error) {
	return scanAll(ctx, b.store.Redis, pattern)
}

func scanAll(ctx context.Context, rdb redis.UniversalClient, pattern string) ([]string, error) {
	var mu sync.Mutex
	var out []string
	each := func(ctx context.Context, c *redis.Client) error {
		iter := c.Scan(ctx, 0, pattern, 1000).Iterator()
		for iter.Next(ctx) {
			mu.Lock()
			out = append(out, iter.Val())
			mu.Unlock()
		}
		return iter.Err()
	}
	var err error
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, each)
	case *redis.Client:
		err = each(ctx, c)
	}
	return out, store.RedisError("scan", err)
}
