package archiving

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// SessionChecks looks whether what the archive lacks is on its list, and what it is said to have, it has.
func (a *Archiver) SessionChecks(p store.Partition, id string) []store.Check {
	return []store.Check{{Promise: 6, Keys: []string{p.Session(id), p.Dirty()}, Run: a.store.OfSession(p, id, a.archivedCheck)}}
}

func (a *Archiver) archivedCheck(ctx context.Context, st *chat.Snapshot, f chat.Flat) (string, error) {
	p, _ := a.store.Of(st.ID)
	err := a.store.Pipe.ZScore(ctx, p.Dirty(), st.ID).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", store.RedisError("audit", err)
	}
	if err == nil {
		return "", nil // somebody is at it
	}
	if f.Num("archived") < st.Seq || f["recalls"] != "" {
		return fmt.Sprintf("archived to %d of %d, with recalls %q, and nobody will archive the rest", f.Num("archived"), st.Seq, f["recalls"]), nil
	}
	doc, err := a.archive.Session(ctx, st.ID)
	if errors.Is(err, archive.ErrNotFound) {
		return "the archive does not have it", nil
	}
	if err != nil {
		return "", store.ArchiveError("audit", err)
	}
	switch now := Document(st, f, "").Version(); {
	case doc.Version() < now:
		return fmt.Sprintf("the archive has an older version, rev %d of %d", doc.Rev, st.Rev), nil
	case doc.Version() > now:
		return fmt.Sprintf("the archive is ahead: rev %d, seq %d, where Redis has rev %d, seq %d", doc.Rev, doc.Seq, st.Rev, st.Seq), nil
	}
	return "", nil
}

// OpenChecks looks whether what had not ended in the archive is in Redis. They are of those sessions that concern.
func (a *Archiver) OpenChecks(ctx context.Context, concerns func(session string) bool) ([]store.Check, error) {
	var checks []store.Check
	q := OpenSessions()
	for {
		page, err := a.archive.Sessions(ctx, q)
		if err != nil || len(page) == 0 {
			return checks, store.ArchiveError("audit", err)
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		for _, doc := range page {
			a.store.Learn(doc.ID, doc.User)
			if p, ok := a.store.Of(doc.ID); ok && concerns(doc.ID) {
				checks = append(checks, a.openCheck(p, doc.ID))
			}
		}
	}
}

func (a *Archiver) openCheck(p store.Partition, session string) store.Check {
	return store.Check{Promise: 6, Keys: []string{p.Session(session)}, Run: func(ctx context.Context) (string, error) {
		n, err := a.store.Pipe.Exists(ctx, p.Session(session)).Result()
		if err != nil || n > 0 {
			return "", store.RedisError("audit", err)
		}
		doc, err := a.archive.Session(ctx, session)
		if errors.Is(err, archive.ErrNotFound) || err == nil && doc.State == string(chat.Ended) {
			return "", nil
		}
		return fmt.Sprintf("the archive has it %s, and Redis does not have it", doc.State), store.ArchiveError("audit", err)
	}}
}
