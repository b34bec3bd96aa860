package broker

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	archiveDelay = time.Second           // a session's changes are gathered this long
	batchSize    = 1000                  // messages in one write, at least unless it is later than
	batchWait    = 50 * time.Millisecond // after the first of them
	collectLimit = 64                    // sessions of each partition at a time
	unsavedLimit = 500                   // messages of one session at a time
	keepLog      = 200                   // of its newest entries a log keeps, archived or not
	expireAfter  = time.Hour             // an ended session leaves Redis
	refusedPause = 10 * time.Minute      // until what the store refused is tried again
)

// archiver copies what is dirty into the archive, many sessions in one write.
// Any number of nodes do it at once; take and done keep them off each other's
// sessions, and where that fails nothing is harmed: every write may be repeated.
type archiver struct {
	b      *Broker
	store  archive.Archive
	delay  time.Duration
	keep   int           // entries a log keeps
	expire time.Duration // after its end a session leaves Redis

	calls []store.Borrower // by partition

	stop context.CancelFunc // nothing more is taken then
	done chan struct{}      // closed when all that was taken is written

	saved   atomic.Int64 // messages acknowledged
	refused atomic.Int64 // items the store would not take
	failed  atomic.Int64 // writes that failed
	away    atomic.Bool  // the last write failed
}

// collected is a session or record that one partition handed to this node.
type collected struct {
	part  store.Partition
	id    string
	since string // when the first change was made that waits
	lease string // its score now
	now   int64  // Redis's clock, ms
	until time.Time
}

func newArchiver(b *Broker, o Options) *archiver {
	return &archiver{b: b, store: o.Archive, delay: o.ArchiveDelay, keep: keepLog, expire: cmp.Or(o.expire, expireAfter)}
}

// start begins to archive, until close or the broker's end.
func (a *archiver) start() {
	reading, stop := context.WithCancel(a.b.Life)
	a.stop, a.done = stop, make(chan struct{})
	pieces := make(chan *piece, 4*collectLimit) // read ahead while the store writes
	a.b.Tasks.Go(func() {
		defer close(pieces)
		for a.read(reading, pieces) {
		}
	})
	a.b.Tasks.Go(func() {
		defer close(a.done)
		a.write(a.b.Life, pieces)
	})
	a.b.Loop(refusedPause, a.retry)
}

// close archives what is dirty, as far as the context allows.
func (a *archiver) close(ctx context.Context) error {
	if a.stop == nil {
		return nil // other nodes archive
	}
	a.stop()
	select {
	case <-a.done:
		return a.flush(ctx)
	case <-ctx.Done():
		return store.ArchiveError("close", ctx.Err())
	}
}

// read makes pieces of all that is due in every partition; it pauses where
// that is not much. False when the context has ended.
func (a *archiver) read(ctx context.Context, pieces chan<- *piece) bool {
	more, err := a.pass(ctx, a.delay, func(p *piece) {
		select {
		case pieces <- p:
		case <-a.b.Life.Done():
		}
	})
	if err != nil && ctx.Err() == nil {
		a.b.Log.Warn("nothing to archive could be read; again soon", "error", err)
	}
	if more && err == nil {
		return ctx.Err() == nil
	}
	return store.Sleep(ctx, store.Jitter(a.delay/2))
}

// pass collects once in every partition; more tells that there was as much as was asked for.
func (a *archiver) pass(ctx context.Context, delay time.Duration, emit func(*piece)) (more bool, err error) {
	var full atomic.Bool
	var g errgroup.Group
	for _, p := range a.b.Parts {
		g.Go(func() error {
			list, err := a.collect(ctx, p, delay)
			if len(list) == collectLimit {
				full.Store(true)
			}
			for _, c := range list {
				p, broken := a.b.piece(ctx, c)
				if broken != nil {
					err = errors.Join(err, broken)
					a.giveBack(ctx, batch{{collected: c}})
					continue
				}
				emit(p)
			}
			return err
		})
	}
	err = g.Wait()
	return full.Load(), err
}

func (a *archiver) collect(ctx context.Context, p store.Partition, delay time.Duration) ([]collected, error) {
	return a.b.collect(ctx, &a.calls[p.Index], p, "collect|", p.Dirty(), p.Late(), collectLimit, delay, takeLease-5*time.Second)
}

// collect borrows sessions of a partition for whoever archives or tells them; until bounds what it does with them.
func (b *Broker) collect(ctx context.Context, l *store.Borrower, p store.Partition, borrower, due, late string, limit int,
	delay, until time.Duration) ([]collected, error) {
	call, ack := l.Begin()
	ends := time.Now().Add(until)
	r, err := b.RunJSON(ctx, "collect", []string{due, late, p.Leases()}, struct {
		Borrower string `json:"borrower"`
		Call     int64  `json:"call"`
		Ack      int64  `json:"ack"`
		Limit    int    `json:"limit"`
		Lease    int64  `json:"lease"` // ms
		Delay    int64  `json:"delay"` // ms
	}{borrower + b.Node, call, ack, limit, takeLease.Milliseconds(), delay.Milliseconds()})
	if err != nil {
		return nil, err
	}
	l.Heard(call)
	members := r.Strs(2)
	out := make([]collected, 0, len(members)/2)
	for i := 0; i+1 < len(members); i += 2 {
		out = append(out, collected{part: p, id: members[i], since: members[i+1], lease: r.Str(1), now: r.Num(0), until: ends})
	}
	return out, nil
}

// write gathers pieces into batches, and marks one while it stores the next.
// After a failure it waits, longer each time.
func (a *archiver) write(ctx context.Context, pieces <-chan *piece) {
	const shortest, longest = 100 * time.Millisecond, 10 * time.Second
	stored := make(chan batch, 1)
	var marking sync.WaitGroup
	marking.Go(func() {
		for b := range stored {
			_ = a.mark(ctx, b) // it has logged why; what is not marked comes again
		}
	})
	defer marking.Wait()
	defer close(stored)
	backoff := shortest
	for b := next(pieces); len(b) > 0; b = next(pieces) {
		if ctx.Err() != nil {
			return
		}
		b, err := a.commit(ctx, b)
		if err == nil {
			stored <- b
			backoff = shortest
			continue
		}
		if !store.Sleep(ctx, store.Jitter(backoff)) {
			return
		}
		backoff = min(2*backoff, longest)
	}
}

// batch is what goes into one write.
type batch []*piece

// next waits for a piece and takes what follows at once; empty when there will be no more.
func next(pieces <-chan *piece) batch {
	p, ok := <-pieces
	if !ok {
		return nil
	}
	b, n := batch{p}, len(p.messages)
	t := time.NewTimer(batchWait)
	defer t.Stop()
	for n < batchSize && len(b) < batchSize {
		select {
		case p, ok := <-pieces:
			if !ok {
				return b
			}
			b = append(b, p)
			n += len(p.messages)
		case <-t.C:
			return b
		}
	}
	return b
}

// save writes a batch and marks what was acknowledged.
func (a *archiver) save(ctx context.Context, all batch) error {
	b, err := a.commit(ctx, all)
	if err != nil {
		return err
	}
	return a.mark(ctx, b)
}

// commit writes what of a batch is still ours, and gives that. After a failure
// it is given back to Redis as it was taken.
func (a *archiver) commit(ctx context.Context, all batch) (batch, error) {
	b := all[:0:0]
	for _, p := range all {
		if time.Now().Before(p.until) { // else it is somebody else's by now
			b = append(b, p)
		}
	}
	err := a.put(ctx, b)
	if err == nil {
		a.away.Store(false)
		return b, nil
	}
	a.failed.Add(1)
	if ctx.Err() == nil && !a.away.Swap(true) {
		a.b.Log.Error("the archive does not take what it is given; nothing is lost, and it is tried again", "error", err)
	}
	a.giveBack(context.WithoutCancel(ctx), b)
	return nil, err
}

// put stores messages first: a session's document never tells of more than there is.
func (a *archiver) put(ctx context.Context, b batch) error {
	var messages []archive.Message
	var from []*piece // of each message
	var sessions []archive.Session
	var owners []*piece // of each session
	var records []archive.Record
	for _, p := range b {
		for range p.messages {
			from = append(from, p)
		}
		messages = append(messages, p.messages...)
		if p.record != nil {
			records = append(records, *p.record)
		}
		if p.doc != nil {
			sessions, owners = append(sessions, *p.doc), append(owners, p)
		}
	}
	if len(messages) > 0 {
		rejected, err := a.store.PutMessages(ctx, messages)
		if err != nil {
			return err
		}
		for _, r := range rejected {
			p, m := from[r.Index], &messages[r.Index]
			p.refuse(m.Seq)
			a.refused.Add(1)
			a.b.Log.Error("the archive refuses a message; it stays in Redis", "session", p.id, "seq", m.Seq, "error", r.Err)
		}
		a.saved.Add(int64(len(messages) - len(rejected)))
	}
	if len(sessions) > 0 {
		rejected, err := a.store.PutSessions(ctx, sessions)
		if err != nil {
			return err
		}
		for _, r := range rejected {
			owners[r.Index].docRefused = true
			a.refused.Add(1)
			a.b.Log.Error("the archive refuses a session; it stays in Redis", "session", owners[r.Index].id, "error", r.Err)
		}
	}
	if len(records) > 0 {
		return a.store.PutRecords(ctx, records)
	}
	return nil
}

// mark tells Redis what the archive has acknowledged.
func (a *archiver) mark(ctx context.Context, b batch) error {
	var g errgroup.Group
	g.SetLimit(256)
	for _, p := range b {
		g.Go(func() error {
			if p.record != nil {
				_, err := a.b.Run(ctx, "done", []string{p.part.Dirty(), p.part.Late()}, p.lease, p.id)
				return err
			}
			r, err := a.b.RunJSON(ctx, "saved", []string{p.part.Session(p.id), p.part.Log(p.id), p.part.Read(p.id),
				p.part.Recalled(p.id), p.part.Dirty(), p.part.Timers(), p.part.Aside(), p.part.Late()}, p.mark(a))
			if err == nil && r.Str(0) == "other" { // Redis fell back while this was on its way
				err = (&recovery{b: a.b, p: p.part}).compare(ctx, p.id)
			}
			return err
		})
	}
	err := g.Wait()
	if err != nil && ctx.Err() == nil {
		a.b.Log.Warn("what was archived is not marked; it will be archived again", "error", err)
	}
	return err
}

func (a *archiver) giveBack(ctx context.Context, b batch) {
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for _, p := range b {
		if _, err := a.b.Run(ctx, "putback", []string{p.part.Dirty(), p.part.Late()}, p.lease, p.id, p.since); err != nil {
			return // it comes back when its lease is over
		}
	}
}

// flush archives all that is dirty now, and returns when it is done or the
// context ends. It is for a node that stops.
func (a *archiver) flush(ctx context.Context) error {
	for {
		var mu sync.Mutex
		var b batch
		_, err := a.pass(ctx, 0, func(p *piece) {
			mu.Lock()
			defer mu.Unlock()
			b = append(b, p)
		})
		if err != nil || len(b) == 0 {
			return err
		}
		if err := a.save(ctx, b); err != nil {
			return err
		}
	}
}

// retry makes dirty again what the store refused, lest it stay in Redis for ever
// once the store has changed its mind. It also removes records that have expired.
func (a *archiver) retry(ctx context.Context) {
	for _, p := range a.b.Parts {
		ids, err := a.b.Redis.ZRange(ctx, p.Aside(), 0, 999).Result()
		if err != nil || len(ids) == 0 {
			continue
		}
		if err := a.b.FallsDue(ctx, p.Dirty(), 0, "NX", ids...); err != nil {
			a.b.Log.Warn("what was set aside is not tried again; later", "partition", p.Index, "error", err)
		}
	}
	if err := a.store.Purge(ctx); err != nil && ctx.Err() == nil {
		a.b.Log.Warn("expired records not removed; later", "error", err)
	}
}

// expire takes a session out of Redis that ended long ago and that the archive has whole.
func (b *Broker) expire(ctx context.Context, p store.Partition, session string) error {
	user, err := b.Pipe.HGet(ctx, p.Session(session), "user").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return store.RedisError("expire", err)
	}
	r, err := b.RunJSON(ctx, "expire", []string{p.Session(session), p.Log(session), p.Unread(session), p.Read(session),
		p.Authors(session), p.Recalled(session), p.Keys(session), p.Dirty(), p.Timers(), p.Outbox(),
		p.Listed(chat.Who(chat.RoleUser, user)), p.Sessions(), p.States()}, struct {
		Session string `json:"session"`
		After   int64  `json:"after"` // ms
	}{session, b.archiver.expire.Milliseconds()})
	if err != nil || r.Str(0) != "ok" {
		return err
	}
	var effects []string
	for i := 1; i < len(r); i++ {
		effects = append(effects, r.Str(i))
	}
	b.places.CarryOut(ctx, p, effects)
	return nil
}
