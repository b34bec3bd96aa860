package sessions

import (
	"context"
	"errors"
	"fmt"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// list is one source of sessions, newest first, read a page at a time.
type list struct {
	// page reads what comes after a place; fewer than were asked for are the last.
	page  func(ctx context.Context, after *Cursor) (batch []*chat.Snapshot, last *Cursor, more bool, err error)
	after *Cursor
	batch []*chat.Snapshot
	more  bool
}

// peek is the next session, or nil at the end.
func (l *list) peek(ctx context.Context) (*chat.Snapshot, error) {
	for len(l.batch) == 0 {
		if !l.more {
			return nil, nil //nolint:nilnil // the end is no error
		}
		var err error
		if l.batch, l.after, l.more, err = l.page(ctx, l.after); err != nil {
			return nil, err
		}
	}
	return l.batch[0], nil
}

// later takes the newest session off several lists; nil when all are at their end.
func later(ctx context.Context, lists ...*list) (*chat.Snapshot, error) {
	var from *list
	var best Cursor
	for _, l := range lists {
		st, err := l.peek(ctx)
		if err != nil {
			return nil, err
		}
		if st == nil {
			continue
		}
		at := Cursor{st.ID, float64(st.Created.UnixMilli())}
		if from == nil || at.Before(best) {
			from, best = l, at
		}
	}
	if from == nil {
		return nil, nil //nolint:nilnil // the end is no error
	}
	st := from.batch[0]
	from.batch = from.batch[1:]
	return st, nil
}

// liveLists are the sessions in Redis, out of the narrowest sorted sets that
// hold all that is asked for.
func (rd *Reader) liveLists(a chat.Actor, r *chat.SessionsRequest, after *Cursor, limit int) []*list {
	filed := rd.filed.Load()
	switch {
	case !a.SeesAll():
		lists := []*list{rd.liveList(r, after, limit, source{key: rd.store.Home(a.ID).Listed(chat.Who(a.Role, a.ID))})}
		if a.Role.Staff() && chat.Contains(r.States, chat.Waiting) && chat.Contains(a.Queues, r.Queue) {
			lists = append(lists, rd.liveList(r, after, limit, rd.inLine(r.Queue, filed)...))
		}
		return lists
	case r.User != "":
		return []*list{rd.liveList(r, after, limit, source{key: rd.store.Home(r.User).Listed("u:" + r.User)})}
	case r.Agent != "":
		return []*list{rd.liveList(r, after, limit, source{key: rd.store.Home(r.Agent).Listed("a:" + r.Agent)})}
	case r.Label != "" && rd.labelled.Load():
		return []*list{rd.liveList(r, after, limit, rd.byLabel(r.Label)...)}
	case filed && (r.Queue != "" || len(r.States) > 0):
		return []*list{rd.liveList(r, after, limit, rd.byState(r.States, r.Queue)...)}
	}
	return []*list{rd.liveList(r, after, limit, rd.everything()...)}
}

// liveList is one list out of several sorted sets. What they hold that was not
// asked for is passed over without reading all of it.
func (rd *Reader) liveList(r *chat.SessionsRequest, after *Cursor, limit int, sources ...source) *list {
	batch := min(limit+1, listAhead)
	byState := sources[0].prefix != "" && sources[0].prefix != ByLabel(r.Label)
	if !byState && (r.Queue != "" || len(r.States) > 0) {
		batch = sieveAhead
	}
	return &list{after: after, more: true, page: func(ctx context.Context, after *Cursor) ([]*chat.Snapshot, *Cursor, bool, error) {
		places, err := rd.placesOf(ctx, sources, after, r.Since, batch)
		if err != nil || len(places) == 0 {
			return nil, after, false, err
		}
		last := &places[len(places)-1]
		more := len(places) == batch && (r.Since == 0 || last.Created >= float64(r.Since))
		if batch == sieveAhead {
			if places, err = rd.sieve(ctx, r, places); err != nil {
				return nil, after, false, err
			}
		}
		states, err := rd.LookAll(ctx, places)
		return present(states), last, more, err
	}}
}

func present(states []*chat.Snapshot) []*chat.Snapshot {
	var out []*chat.Snapshot
	for _, st := range states {
		if st != nil {
			out = append(out, st)
		}
	}
	return out
}

// shelfList are the ended sessions in the archive. Some are still in Redis, too,
// which knows better how they are; both lists name them then.
func (rd *Reader) shelfList(a chat.Actor, r chat.SessionsRequest, after *Cursor, limit int) *list {
	if rd.archive == nil || len(r.States) > 0 && !chat.Contains(r.States, chat.Ended) {
		return &list{}
	}
	q := archive.SessionQuery{States: []string{string(chat.Ended)}, Queue: r.Queue, User: r.User, Agent: r.Agent, Label: r.Label,
		Since: r.Since, Until: r.Until, Limit: min(limit+1, listAhead)}
	switch {
	case a.SeesAll():
	case a.Role.Staff():
		q.Agent = a.ID
	default:
		q.User = a.ID
	}
	return &list{after: after, more: true, page: func(ctx context.Context, after *Cursor) ([]*chat.Snapshot, *Cursor, bool, error) {
		q.Before = nil
		if after != nil {
			q.Before = &archive.SessionPlace{Created: int64(after.Created), ID: after.ID}
		}
		docs, err := rd.archive.Sessions(ctx, q)
		if err != nil || len(docs) == 0 {
			return nil, after, false, store.ArchiveError("sessions", err)
		}
		places := make([]Cursor, len(docs))
		for i := range docs {
			places[i] = Cursor{docs[i].ID, float64(docs[i].Created)}
		}
		states, err := rd.LookAll(ctx, places)
		if err != nil {
			return nil, after, false, err
		}
		for i := range docs {
			if states[i] == nil {
				if states[i], err = chat.ParseState(docs[i].ID, docs[i].Snapshot); err != nil {
					return nil, after, false, err
				}
			}
		}
		return present(states), &places[len(places)-1], len(docs) == q.Limit, nil
	}}
}

// Shelved reads a session that has left Redis.
func (rd *Reader) Shelved(ctx context.Context, session string) (*chat.Snapshot, error) {
	st, _, err := rd.FromShelf(ctx, session)
	return st, err
}

// FromShelf gives the archive's document of a session, too.
func (rd *Reader) FromShelf(ctx context.Context, session string) (*chat.Snapshot, archive.Session, error) {
	if rd.archive == nil {
		return nil, archive.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	d, err := rd.archive.Session(ctx, session)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, d, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if err != nil {
		return nil, d, store.ArchiveError("session", err)
	}
	rd.store.Learn(session, d.User)
	st, err := chat.ParseState(session, d.Snapshot)
	if err == nil && st == nil {
		err = fmt.Errorf("session %s: an empty snapshot in the archive", session)
	}
	return st, d, err
}

// Absent explains why a script did not find a session: it has moved to the
// archive, and so has ended, or there is none. It is for those errors only.
func (rd *Reader) Absent(ctx context.Context, a chat.Actor, action chat.Action, session string, err error) error {
	if !errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
		return err
	}
	st, gone := rd.Shelved(ctx, session)
	if gone != nil {
		return gone
	}
	if st.State != chat.Ended {
		return err // lost with its Redis: restore has not been run
	}
	if err := rd.Judge(ctx, a, action, st); err != nil && !errors.Is(err, &chat.Error{Code: chat.CodeWrongState}) {
		return err
	}
	return chat.Errorf(chat.CodeEnded, "the session has ended")
}
