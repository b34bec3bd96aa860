package archiving

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
	expireAfter  = time.Hour             // an ended session leaves Redis
	givePatience = 10 * time.Second      // of giving back what could not be written
	refusedPause = 10 * time.Minute      // until what the store refused is tried again
)

// KeepLog is how many of its newest entries a log keeps, archived or not.
const KeepLog = 200

// Archiver copies what is dirty into the archive, many sessions in one write.
// Any number of nodes do it at once; take and done keep them off each other's
// sessions, and where that fails nothing is harmed: every write may be repeated.
type Archiver struct {
	store   *store.Store
	archive archive.Archive
	delay   time.Duration
	keep    int           // entries a log keeps
	after   time.Duration // its end a session leaves Redis
	needs   ArchiverNeeds

	calls   [store.MaxPartitions]store.Borrower
	unheard [store.MaxPartitions]atomic.Bool // the last call had no answer
	reached atomic.Bool                      // the archive has answered since the start
	lag     lagCache
	pace    pace
	gentle  atomic.Bool // much is said, and the archive is not behind

	recovered, superseded atomic.Int64

	stop context.CancelFunc // nothing more is taken then
	done chan struct{}      // closed when all that was taken is written

	saved   atomic.Int64 // messages acknowledged
	refused atomic.Int64 // items the store would not take
	failed  atomic.Int64 // writes that failed
	away    atomic.Bool  // the last write failed
}

// ArchiverNeeds is what an archiver needs of others.
type ArchiverNeeds interface {
	// Settle carries out what a script left to be done in other partitions.
	Settle(ctx context.Context, p store.Partition, effects []string)
	// Record is what the archive keeps of something that is no session, as it is now, and
	// when it expires (ms; 0: never); no data where that is gone.
	Record(ctx context.Context, kind, id string) (data []byte, expires int64, err error)
	// Waits tells whether this node looks after a partition, and whether something was there to be archived
	// when it looked last, a second ago at most.
	Waits(p store.Partition) (works, waits bool)
	// ReadLog gives a session's entries from one seq to another, both inclusive.
	ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error)
	// BroughtBack tells others of a session that Redis had lost, or lost a part of.
	BroughtBack(ctx context.Context, back *Revived) error
}

// NewArchiver archives what changes, delay after the first change; a session leaves Redis so long after its end.
func NewArchiver(s *store.Store, a archive.Archive, delay, after time.Duration, needs ArchiverNeeds) *Archiver {
	return &Archiver{store: s, archive: a, delay: cmp.Or(delay, archiveDelay), keep: KeepLog, after: cmp.Or(after, expireAfter), needs: needs}
}

// Start begins to archive, until close or the broker's end.
func (a *Archiver) Start() {
	reading, stop := context.WithCancel(a.store.Life)
	a.stop, a.done = stop, make(chan struct{})
	pieces := make(chan *Piece, 4*collectLimit) // read ahead while the store writes
	a.store.Tasks.Go(func() {
		defer close(pieces)
		for a.read(reading, pieces) {
		}
	})
	a.store.Tasks.Go(func() {
		defer close(a.done)
		a.write(a.store.Life, pieces)
	})
	a.store.Loop(refusedPause, a.retry)
	a.store.Loop(reindexPause, a.Reindex)
}

// Close archives what is dirty, as far as the context allows.
func (a *Archiver) Close(ctx context.Context) error {
	if a.stop == nil {
		return nil // other nodes archive
	}
	a.stop()
	select {
	case <-a.done:
		return a.Flush(ctx)
	case <-ctx.Done():
		return store.ArchiveError("close", ctx.Err())
	}
}

// read makes pieces of all that is due in every partition; it pauses where
// that is not much. False when the context has ended.
func (a *Archiver) read(ctx context.Context, pieces chan<- *Piece) bool {
	turn := a.pace.begin(a.delay)
	a.gentle.Store(turn.gentle())
	more, err := a.pass(ctx, turn, a.due(), func(p *Piece) {
		turn.add(p)
		select {
		case pieces <- p:
		case <-a.store.Life.Done():
		}
	})
	if err != nil && ctx.Err() == nil {
		a.store.Log.Warn("nothing to archive could be read; again soon", "error", err)
	}
	if pause := a.pace.end(turn); more && err == nil {
		return store.Sleep(ctx, pause)
	}
	return store.Sleep(ctx, store.Jitter(a.delay/2))
}

// due are the partitions to collect in: those that this node looks after, if something waits there.
func (a *Archiver) due() []store.Partition {
	var out []store.Partition
	for _, p := range a.store.Parts {
		works, waits := a.needs.Waits(p)
		// What is gathered for less than a second was not there yet when somebody looked.
		if works && (waits || a.delay < archiveDelay) || a.unheard[p.Index].Load() {
			out = append(out, p)
		}
	}
	return out
}

// pass collects once in each of some partitions; more tells that there was as much as was asked for.
func (a *Archiver) pass(ctx context.Context, t *turn, parts []store.Partition, emit func(*Piece)) (more bool, err error) {
	var full atomic.Bool
	var g errgroup.Group
	g.SetLimit(t.atOnce())
	for _, p := range parts {
		g.Go(func() error {
			list, err := a.collect(ctx, p, t)
			a.unheard[p.Index].Store(err != nil)
			if len(list) == t.limit {
				full.Store(true)
			}
			for _, c := range list {
				p, broken := a.Piece(ctx, c)
				if broken != nil {
					err = errors.Join(err, broken)
					a.giveBack(ctx, Batch{{Collected: c}})
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

func (a *Archiver) collect(ctx context.Context, p store.Partition, t *turn) ([]store.Collected, error) {
	return a.store.Collect(ctx, &a.calls[p.Index], p, store.ForArchiving, p.Dirty(), p.Late(), t.limit, t.delay, store.TakeLease-5*time.Second)
}

// write gathers pieces into batches, and marks one while it stores the next.
// After a failure it waits, longer each time.
func (a *Archiver) write(ctx context.Context, pieces <-chan *Piece) {
	const shortest, longest = 100 * time.Millisecond, 10 * time.Second
	stored := make(chan Batch, 1)
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

// Batch is what goes into one write.
type Batch []*Piece

// next waits for a piece and takes what follows at once; empty when there will be no more.
func next(pieces <-chan *Piece) Batch {
	p, ok := <-pieces
	if !ok {
		return nil
	}
	b, n := Batch{p}, len(p.messages)
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

// Save writes a batch and marks what was acknowledged.
func (a *Archiver) Save(ctx context.Context, all Batch) error {
	b, err := a.commit(ctx, all)
	if err != nil {
		return err
	}
	return a.mark(ctx, b)
}

// commit writes what of a batch is still ours, and gives that. After a failure
// it is given back to Redis as it was taken.
func (a *Archiver) commit(ctx context.Context, all Batch) (Batch, error) {
	b := all[:0:0]
	for _, p := range all {
		if time.Now().Before(p.Until) { // else it is somebody else's by now
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
		a.store.Log.Error("the archive does not take what it is given; nothing is lost, and it is tried again", "error", err)
	}
	a.giveBack(context.WithoutCancel(ctx), b)
	return nil, err
}

// put stores messages first: a session's document never tells of more than there is.
func (a *Archiver) put(ctx context.Context, b Batch) error {
	var messages []archive.Message
	var from []*Piece // of each message
	var sessions []archive.Session
	var owners []*Piece // of each session
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
		rejected, err := a.archive.PutMessages(ctx, messages)
		if err != nil {
			return err
		}
		for _, r := range rejected {
			p, m := from[r.Index], &messages[r.Index]
			p.refuse(m.Seq)
			a.refused.Add(1)
			a.store.Log.Error("the archive refuses a message; it stays in Redis", "session", p.ID, "seq", m.Seq, "error", r.Err)
		}
		a.saved.Add(int64(len(messages) - len(rejected)))
	}
	if len(sessions) > 0 {
		rejected, err := a.archive.PutSessions(ctx, sessions)
		if err != nil {
			return err
		}
		for _, r := range rejected {
			owners[r.Index].docRefused = true
			a.refused.Add(1)
			a.store.Log.Error("the archive refuses a session; it stays in Redis", "session", owners[r.Index].ID, "error", r.Err)
		}
	}
	if len(records) > 0 {
		return a.archive.PutRecords(ctx, records)
	}
	return nil
}

// mark tells Redis what the archive has acknowledged.
func (a *Archiver) mark(ctx context.Context, b Batch) error {
	var g errgroup.Group
	g.SetLimit(markAtOnce)
	if a.gentle.Load() {
		g.SetLimit(gentleAtOnce)
	}
	for _, p := range b {
		g.Go(func() error {
			if p.record != nil {
				return a.store.Done(ctx, []string{p.Part.Dirty(), p.Part.Late()}, p.Lease, p.ID)
			}
			r, err := a.store.RunJSON(ctx, "saved", []string{p.Part.Session(p.ID), p.Part.Log(p.ID), p.Part.Read(p.ID),
				p.Part.Recalled(p.ID), p.Part.Dirty(), p.Part.Timers(), p.Part.Aside(), p.Part.Late()}, p.mark(a))
			if err == nil && r.Str(0) == "other" { // Redis fell back while this was on its way
				err = a.Compare(ctx, p.Part, p.ID)
			}
			return err
		})
	}
	err := g.Wait()
	if err != nil && ctx.Err() == nil {
		a.store.Log.Warn("what was archived is not marked; it will be archived again", "error", err)
	}
	return err
}

func (a *Archiver) giveBack(ctx context.Context, b Batch) {
	ctx, cancel := context.WithTimeout(ctx, givePatience)
	defer cancel()
	for _, p := range b {
		if err := a.store.GiveBack(ctx, []string{p.Part.Dirty(), p.Part.Late()}, p.Lease, p.ID, p.Since); err != nil {
			return // it comes back when its lease is over
		}
	}
}

// Flush archives all that is dirty now, and returns when it is done or the
// context ends. It is for a node that stops.
func (a *Archiver) Flush(ctx context.Context) error {
	for {
		var mu sync.Mutex
		var b Batch
		_, err := a.pass(ctx, &turn{limit: collectLimit}, a.store.Parts, func(p *Piece) {
			mu.Lock()
			defer mu.Unlock()
			b = append(b, p)
		})
		if err != nil || len(b) == 0 {
			return err
		}
		if err := a.Save(ctx, b); err != nil {
			return err
		}
	}
}

// retry makes dirty again what the store refused, lest it stay in Redis for ever
// once the store has changed its mind. It also removes records that have expired.
func (a *Archiver) retry(ctx context.Context) {
	for _, p := range a.store.Parts {
		ids, err := a.store.Redis.ZRange(ctx, p.Aside(), 0, 999).Result()
		if err != nil || len(ids) == 0 {
			continue
		}
		if err := a.store.FallsDue(ctx, p.Dirty(), 0, "NX", ids...); err != nil {
			a.store.Log.Warn("what was set aside is not tried again; later", "partition", p.Index, "error", err)
		}
	}
	if err := a.archive.Purge(ctx); err != nil && ctx.Err() == nil {
		a.store.Log.Warn("expired records not removed; later", "error", err)
	}
}

// Expire takes a session out of Redis that ended long ago and that the archive has whole.
func (a *Archiver) Expire(ctx context.Context, p store.Partition, session string) error {
	user, err := a.store.Pipe.HGet(ctx, p.Session(session), "user").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return store.RedisError("expire", err)
	}
	r, err := a.store.RunJSON(ctx, "expire", []string{p.Session(session), p.Log(session), p.Unread(session), p.Read(session),
		p.Authors(session), p.Recalled(session), p.Keys(session), p.Dirty(), p.Timers(), p.Outbox(),
		p.Listed(chat.Who(chat.RoleUser, user)), p.Sessions(), p.States(), p.Labelled()}, struct {
		Session string `json:"session"`
		After   int64  `json:"after"` // ms
	}{session, a.after.Milliseconds()})
	if err != nil || r.Str(0) != "ok" {
		return err
	}
	var effects []string
	for i := 1; i < len(r); i++ {
		effects = append(effects, r.Str(i))
	}
	a.needs.Settle(ctx, p, effects)
	return nil
}
