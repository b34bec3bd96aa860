package broker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
)

// recoverLease is how long a node that compares a fallen partition may be silent
// before another does it.
const recoverLease = 15 * time.Second

// recovered carries out the timer `recover` of a partition that fell back: the
// archive's side and the places of agents are compared with it and mended. One
// node at a time does it; all of it may be done any number of times.
func (b *Broker) recovered(_ context.Context, p store.Partition, id string) error {
	pulse := b.pulses[p.Index]
	if !pulse.mending.TryLock() {
		return store.ErrAgain
	}
	defer pulse.mending.Unlock()
	ctx, cancel := context.WithCancel(b.store.Life) // it takes as long as it takes: the lease is its own
	defer cancel()
	lease := func(ttl time.Duration) (bool, error) {
		r, err := b.store.Run(ctx, "hold", []string{p.Recovering()}, b.store.Node, ttl.Milliseconds())
		return r.Num(0) == 1, err
	}
	if mine, err := lease(recoverLease); err != nil || !mine {
		return errors.Join(err, store.ErrAgain)
	}
	defer func() { _, _ = lease(0) }() // else it runs out
	b.store.Tasks.Go(func() {
		for store.Sleep(ctx, recoverLease/3) {
			if mine, err := lease(recoverLease); err == nil && !mine {
				cancel() // it was silent for too long
			}
		}
	})
	if err := b.mend(ctx, p, id); err != nil {
		if b.mends.Again() && ctx.Err() == nil {
			b.store.Log.Warn("a partition is not compared to the end; it is tried again", "partition", p.Index, "error", err)
		}
		return store.ErrAgain
	}
	_, err := b.store.Run(ctx, "done", []string{p.Timers()}, "", "recover|"+id)
	return err
}

// mend compares one partition with the archive, and with the loads of all agents it
// concerns; those once for each id, though the archive may keep it waiting.
func (b *Broker) mend(ctx context.Context, p store.Partition, id string) error {
	began, pulse := time.Now(), b.pulses[p.Index]
	r := &recovery{b: b, p: p}
	err := r.archived(ctx)
	if err == nil || pulse.placed != id {
		parts := b.store.Parts
		if !b.store.Sharded && strings.Contains(id, "|server") { // one server has all partitions: each looks after its own then
			parts = []store.Partition{p}
		}
		placing := b.places.Reconcile(ctx, parts, p, &r.places)
		if placing == nil {
			pulse.placed = id
		}
		err = errors.Join(err, placing)
	}
	if err == nil {
		pulse.placed = ""
		b.store.Log.Log(ctx, r.level(), "a partition that may have fallen back was compared", "partition", p.Index, "sessions", r.seen.Load(),
			"behind", time.Duration(r.behind.Load())*time.Millisecond, "recovered", r.recovered.Load(), "superseded", r.superseded.Load(),
			"places", r.places.Places.Load(), "requeued", r.places.Vacated.Load(), "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// recovery is one comparison of a partition.
type recovery struct {
	b *Broker
	p store.Partition

	seen, recovered, superseded atomic.Int64
	places                      places.Rectified
	behind                      atomic.Int64 // ms: how far Redis's newest message was behind the archive's, at most
}

func (r *recovery) level() slog.Level {
	if r.recovered.Load()+r.superseded.Load()+r.places.Places.Load()+r.places.Vacated.Load() > 0 {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// archived compares the partition's sessions with the archive's.
func (r *recovery) archived(ctx context.Context) error {
	if r.b.archiver == nil {
		return nil
	}
	if err := r.b.ArchiveReady(ctx); err != nil {
		return err
	}
	err := r.b.store.EachSession(ctx, r.p, func(ctx context.Context, ids []string) error {
		return r.each(ctx, ids, func(ctx context.Context, id string) error {
			err := r.compare(ctx, id)
			if err == nil || chat.AsError(err).Code == chat.CodeUnavailable || ctx.Err() != nil {
				return err
			}
			r.b.store.Log.Error("a session cannot be compared with the archive; the others are", "session", id, "error", err)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return r.missing(ctx)
}

func (r *recovery) each(ctx context.Context, ids []string, f func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, id := range ids {
		g.Go(func() error { return f(ctx, id) })
	}
	return g.Wait()
}

// compared is one session in Redis and in the archive.
type compared struct {
	st     *chat.Snapshot
	fields chat.Flat
	doc    archive.Session
	lost   []archive.Message // the archive's, whose seqs are others' in Redis, or beyond its last
}

// compare finds what the archive has of a session that Redis has not, and mends it.
func (r *recovery) compare(ctx context.Context, id string) error {
	r.seen.Add(1)
	for range 3 {
		c, err := r.b.both(ctx, id)
		if err != nil || c == nil {
			return err
		}
		switch {
		case c.ahead() && c.untouched():
			done, err := r.bringBack(ctx, c)
			if err != nil || done {
				return err
			}
		case c.ahead():
			return r.outrank(ctx, c)
		default:
			return nil
		}
	}
	return nil // it changes all the time: Redis has gone on, and the next look at it will say so
}

// both reads a session on both sides; nil where there is nothing to compare.
func (b *Broker) both(ctx context.Context, id string) (*compared, error) {
	p, ok := b.store.Of(id)
	if !ok {
		return nil, nil //nolint:nilnil // not one of ours
	}
	doc, err := b.opt.Archive.Session(ctx, id)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, nil //nolint:nilnil // Redis is ahead
	}
	if err != nil {
		return nil, store.ArchiveError("session", err)
	}
	reply, err := b.store.Run(ctx, "look", p.Looked(id))
	if err != nil {
		return nil, err
	}
	st, fields, err := chat.ParseSnapshot(id, reply.Str(0))
	if err != nil || st == nil {
		return nil, err
	}
	c := &compared{st: st, fields: fields, doc: doc}
	if quiet, err := c.quiet(ctx, b); err != nil || quiet {
		return nil, err
	}
	return c, c.messages(ctx, b)
}

// quietFor is how long nobody must have written for a session's last message to tell of all.
const quietFor = time.Minute

// quiet tells that both sides have the same, by the last message: nobody has written
// since before Redis can have fallen back.
func (c *compared) quiet(ctx context.Context, b *Broker) (bool, error) {
	last, err := ulid.ParseStrict(c.st.LastMid)
	if err != nil || time.Since(ulid.Time(last.Time())) < quietFor || c.doc.Seq != c.st.Seq ||
		c.doc.Version() != archiving.Document(c.st, c.fields, "").Version() {
		return false, nil //nolint:nilerr // an id that is none is looked at
	}
	list, err := b.opt.Archive.Messages(ctx, c.st.ID, c.st.Seq, c.st.Seq+1)
	if err != nil {
		return false, store.ArchiveError("messages", err)
	}
	return len(list) == 1 && list[0].Mid == c.st.LastMid, nil
}

// comparePage is how many messages of a session are compared at a time, and how far
// below what Redis says is archived that begins: so many may have been archived since it fell back.
const comparePage = 200

// messages compares the newest.
func (c *compared) messages(ctx context.Context, b *Broker) error {
	last := max(c.doc.Seq, c.st.Seq)
	from := max(1, min(c.fields.Num("archived"), c.doc.Seq, c.st.Seq)-comparePage)
	for more := true; more; from += comparePage {
		list, err := b.opt.Archive.Messages(ctx, c.st.ID, from, from+comparePage-1)
		if err != nil {
			return store.ArchiveError("messages", err)
		}
		more = len(list) > 0 || from <= last
		held, err := b.sessions.ReadLog(ctx, c.st.ID, from, min(from+comparePage-1, c.st.Seq))
		if err != nil {
			return err
		}
		mids := make(map[int64]string, len(held))
		for i := range held {
			mids[held[i].Seq] = chat.MidOf(held[i].Head)
		}
		for i := range list {
			if !list[i].Superseded && mids[list[i].Seq] != list[i].Mid {
				c.lost = append(c.lost, list[i])
			}
		}
	}
	return nil
}

// ahead tells whether the archive has what Redis has not.
func (c *compared) ahead() bool {
	now := archiving.Document(c.st, c.fields, "")
	return len(c.lost) > 0 || c.doc.Version() > now.Version()
}

// untouched tells whether Redis has what the archive had at an earlier time, and
// nothing else: then nobody has built on it since it fell back.
func (c *compared) untouched() bool {
	for i := range c.lost {
		if c.lost[i].Seq <= c.st.Seq {
			return false // another message has that seq
		}
	}
	if c.st.Rev > c.doc.Rev {
		return false
	}
	last, _, _ := strings.Cut(c.fields["ops"], ",")
	then, err := snapshotFields(c.doc.Snapshot)
	if err != nil {
		return false
	}
	// A transition since would be the last; labels and ratings leave no message.
	return c.doc.Rev > c.st.Rev+4 || strings.Contains(then["ops"], last)
}

// bringBack replaces what Redis has by what the archive has; false if it has changed meanwhile.
func (r *recovery) bringBack(ctx context.Context, c *compared) (bool, error) {
	b, f := r.b, c.fields
	back, fresh, err := b.archiver.RestoreSession(ctx, c.doc, &archiving.Older{Rev: f["rev"], Seq: f["seq"], Ops: f["ops"], Queue: f["queue"], Reads: archiving.Document(c.st, f, "").Reads, Marks: c.st.Marks})
	if err != nil || !fresh {
		return false, err
	}
	r.note(c.st.Seq, c.lost)
	return true, r.told(ctx, back)
}

func (r *recovery) note(seq int64, lost []archive.Message) {
	r.recovered.Add(1)
	r.b.recoveries.Add(1)
	if len(lost) > 0 && seq > 0 {
		late := max(0, lost[len(lost)-1].At-lost[0].At)
		for old := r.behind.Load(); late > old && !r.behind.CompareAndSwap(old, late); old = r.behind.Load() {
		}
	}
}

// told makes a session that came back known to its agents' partitions and to who is connected.
func (r *recovery) told(ctx context.Context, back *archiving.Revived) error {
	b, f, id := r.b, back.Hash, back.Doc.ID
	agents := back.Doc.Agents
	if target := f["target"]; target != "" && !chat.Contains(agents, target) {
		agents = append(slices.Clone(agents), target)
	}
	for _, agent := range agents {
		if err := b.places.Rectify(ctx, agent, id, &r.places); err != nil {
			return err
		}
	}
	return b.people.Tell(ctx, chat.RoleUser, f["user"], chat.Personal{Kind: "mine", Session: id})
}

// outrank lets Redis's side of a session count, which has gone on since it fell back.
func (r *recovery) outrank(ctx context.Context, c *compared) error {
	b := r.b
	for i := range c.lost {
		c.lost[i].Superseded = true
		c.lost[i].Agents = c.doc.Agents
	}
	if len(c.lost) > 0 {
		if _, err := b.opt.Archive.PutMessages(ctx, c.lost); err != nil {
			return store.ArchiveError("supersede", err)
		}
	}
	r.superseded.Add(int64(len(c.lost)))
	b.superseded.Add(int64(len(c.lost)))
	p, _ := b.store.Of(c.st.ID)
	_, err := b.store.Run(ctx, "outrank", []string{p.Session(c.st.ID), p.Dirty()}, c.st.ID, c.doc.Rev)
	return err
}

// missing brings back the open sessions of the archive that Redis does not have at all.
func (r *recovery) missing(ctx context.Context) error {
	q := openSessions()
	for {
		page, err := r.b.opt.Archive.Sessions(ctx, q)
		if err != nil || len(page) == 0 {
			return store.ArchiveError("sessions", err)
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(16)
		for _, doc := range page {
			if p, ok := r.b.store.Of(doc.ID); ok && p.Index == r.p.Index {
				g.Go(func() error { return r.openMissing(within, doc) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

func (r *recovery) openMissing(ctx context.Context, doc archive.Session) error {
	n, err := r.b.store.Pipe.Exists(ctx, r.p.Session(doc.ID)).Result()
	if err != nil || n > 0 {
		return store.RedisError("session", err)
	}
	back, fresh, err := r.b.archiver.RestoreSession(ctx, doc, nil)
	if err != nil || !fresh {
		return err
	}
	r.note(0, nil)
	return r.told(ctx, back)
}

// snapshotFields are the session's own fields in an archived snapshot.
func snapshotFields(snapshot string) (chat.Flat, error) {
	_, f, err := chat.ParseSnapshot("", snapshot)
	return f, err
}
