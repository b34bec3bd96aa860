package archiving

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Compared is what came of comparing a partition with the archive.
type Compared struct {
	Seen, Recovered, Superseded atomic.Int64 // sessions, sessions, messages
	Behind                      atomic.Int64 // ms: how far Redis's newest message was behind the archive's, at most
}

// comparison is one under way.
type comparison struct {
	*Archiver
	*Compared
	p    store.Partition
	told func(ctx context.Context, back *Revived) error // of a session that came back
}

// CompareAll mends what of a partition's sessions the archive has and Redis has not: what it
// lost comes back, unless Redis has gone on since; told is called for each that did.
func (a *Archiver) CompareAll(ctx context.Context, p store.Partition, told func(ctx context.Context, back *Revived) error, c *Compared) error {
	return (&comparison{a, c, p, told}).all(ctx)
}

// Compare does so with one session.
func (a *Archiver) Compare(ctx context.Context, p store.Partition, session string) error {
	return (&comparison{a, &Compared{}, p, a.needs.BroughtBack}).compare(ctx, session)
}

// Agents are those who took part in the session, and whom it is offered to.
func (r *Revived) Agents() []string {
	if target := r.Hash["target"]; target != "" && !chat.Contains(r.Doc.Agents, target) {
		return append(slices.Clone(r.Doc.Agents), target)
	}
	return r.Doc.Agents
}

func (r *comparison) all(ctx context.Context) error {
	if err := r.Ready(ctx); err != nil {
		return err
	}
	err := r.store.EachSession(ctx, r.p, func(ctx context.Context, ids []string) error {
		return r.each(ctx, ids, func(ctx context.Context, id string) error {
			err := r.compare(ctx, id)
			if err == nil || chat.AsError(err).Code == chat.CodeUnavailable || ctx.Err() != nil {
				return err
			}
			r.store.Log.Error("a session cannot be compared with the archive; the others are", "session", id, "error", err)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return r.missing(ctx)
}

func (r *comparison) each(ctx context.Context, ids []string, f func(context.Context, string) error) error {
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
func (r *comparison) compare(ctx context.Context, id string) error {
	r.Seen.Add(1)
	for range 3 {
		c, err := r.both(ctx, id)
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
func (a *Archiver) both(ctx context.Context, id string) (*compared, error) {
	p, ok := a.store.Of(id)
	if !ok {
		return nil, nil //nolint:nilnil // not one of ours
	}
	doc, err := a.archive.Session(ctx, id)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, nil //nolint:nilnil // Redis is ahead
	}
	if err != nil {
		return nil, store.ArchiveError("session", err)
	}
	reply, err := a.store.Run(ctx, "look", p.Looked(id))
	if err != nil {
		return nil, err
	}
	st, fields, err := chat.ParseSnapshot(id, reply.Str(0))
	if err != nil || st == nil {
		return nil, err
	}
	c := &compared{st: st, fields: fields, doc: doc}
	if quiet, err := c.quiet(ctx, a); err != nil || quiet {
		return nil, err
	}
	if there, err := c.messages(ctx, a); err != nil || !there {
		return nil, err
	}
	return c, nil
}

// quietFor is how long nobody must have written for a session's last message to tell of all.
const quietFor = time.Minute

// quiet tells that both sides have the same, by the last message: nobody has written
// since before Redis can have fallen back.
func (c *compared) quiet(ctx context.Context, a *Archiver) (bool, error) {
	last, err := ulid.ParseStrict(c.st.LastMid)
	if err != nil || time.Since(ulid.Time(last.Time())) < quietFor || c.doc.Seq != c.st.Seq ||
		c.doc.Version() != Document(c.st, c.fields, "").Version() {
		return false, nil //nolint:nilerr // an id that is none is looked at
	}
	list, err := a.archive.Messages(ctx, c.st.ID, c.st.Seq, c.st.Seq+1)
	if err != nil {
		return false, store.ArchiveError("messages", err)
	}
	return len(list) == 1 && list[0].Mid == c.st.LastMid, nil
}

// comparePage is how many messages of a session are compared at a time, and how far
// below what Redis says is archived that begins: so many may have been archived since it fell back.
const comparePage = 200

// messages compares the newest; false where the session has left Redis meanwhile.
func (c *compared) messages(ctx context.Context, a *Archiver) (there bool, err error) {
	p, _ := a.store.Of(c.st.ID)
	last := max(c.doc.Seq, c.st.Seq)
	from := max(1, min(c.fields.Num("archived"), c.doc.Seq, c.st.Seq)-comparePage)
	for more := true; more; from += comparePage {
		list, err := a.archive.Messages(ctx, c.st.ID, from, from+comparePage-1)
		if err != nil {
			return false, store.ArchiveError("messages", err)
		}
		more = len(list) > 0 || from <= last
		// More was said, perhaps, and archived, since the session was looked at.
		seq, err := a.store.Pipe.HGet(ctx, p.Session(c.st.ID), "seq").Int64()
		if store.IsNil(err) {
			return false, nil
		}
		if err != nil {
			return false, store.RedisError("compare", err)
		}
		held, err := a.needs.ReadLog(ctx, c.st.ID, from, min(from+comparePage-1, max(seq, c.st.Seq)))
		if err != nil {
			return false, err
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
	return true, nil
}

// ahead tells whether the archive has what Redis has not.
func (c *compared) ahead() bool {
	now := Document(c.st, c.fields, "")
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
func (r *comparison) bringBack(ctx context.Context, c *compared) (bool, error) {
	f := c.fields
	back, fresh, err := r.RestoreSession(ctx, c.doc, &Older{Rev: f["rev"], Seq: f["seq"], Ops: f["ops"], Queue: f["queue"], Reads: Document(c.st, f, "").Reads, Marks: c.st.Marks})
	if err != nil || !fresh {
		return false, err
	}
	r.note(c.st.Seq, c.lost)
	return true, r.told(ctx, back)
}

func (r *comparison) note(seq int64, lost []archive.Message) {
	r.Recovered.Add(1)
	r.recovered.Add(1)
	if len(lost) > 0 && seq > 0 {
		late := max(0, lost[len(lost)-1].At-lost[0].At)
		for old := r.Behind.Load(); late > old && !r.Behind.CompareAndSwap(old, late); old = r.Behind.Load() {
		}
	}
}

// outrank lets Redis's side of a session count, which has gone on since it fell back.
func (r *comparison) outrank(ctx context.Context, c *compared) error {
	for i := range c.lost {
		c.lost[i].Superseded = true
		c.lost[i].Agents = c.doc.Agents
	}
	if len(c.lost) > 0 {
		if _, err := r.archive.PutMessages(ctx, c.lost); err != nil {
			return store.ArchiveError("supersede", err)
		}
	}
	r.Superseded.Add(int64(len(c.lost)))
	r.superseded.Add(int64(len(c.lost)))
	p, _ := r.store.Of(c.st.ID)
	_, err := r.store.Run(ctx, "outrank", []string{p.Session(c.st.ID), p.Dirty()}, c.st.ID, c.doc.Rev)
	return err
}

// missing brings back the open sessions of the archive that Redis does not have at all.
func (r *comparison) missing(ctx context.Context) error {
	q := OpenSessions()
	for {
		page, err := r.archive.Sessions(ctx, q)
		if err != nil || len(page) == 0 {
			return store.ArchiveError("sessions", err)
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(16)
		for _, doc := range page {
			r.store.Learn(doc.ID, doc.User)
			if p, ok := r.store.Of(doc.ID); ok && p.Index == r.p.Index {
				g.Go(func() error { return r.openMissing(within, doc) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

func (r *comparison) openMissing(ctx context.Context, doc archive.Session) error {
	n, err := r.store.Pipe.Exists(ctx, r.p.Session(doc.ID)).Result()
	if err != nil || n > 0 {
		return store.RedisError("session", err)
	}
	back, fresh, err := r.RestoreSession(ctx, doc, nil)
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

// OpenSessions are those of the archive that had not ended.
func OpenSessions() archive.SessionQuery {
	return archive.SessionQuery{States: []string{string(chat.Waiting), string(chat.Serving), string(chat.Transferring), string(chat.Ending)}, Limit: 200}
}
