package sessions

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
)

// Look reads a session as it is now: in Redis, or in the archive once it has moved there.
func (rd *Reader) Look(ctx context.Context, session string) (*chat.Snapshot, error) {
	st, err := rd.LookLive(ctx, session)
	if st == nil && err == nil {
		return rd.Shelved(ctx, session)
	}
	return st, err
}

// LookLive reads a session in Redis; nil where it is not (any more).
func (rd *Reader) LookLive(ctx context.Context, session string) (*chat.Snapshot, error) {
	p, ok := rd.store.Of(session)
	if !ok {
		return nil, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	r, err := rd.store.Run(ctx, "look", p.Looked(session))
	if err != nil {
		return nil, err
	}
	st, err := chat.ParseState(session, r.Str(0))
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", session, err)
	}
	return st, nil
}

// Confirm is Look for who knows the session as a transition left it just now: where nothing happened
// since but that somebody read, four cheap commands tell. They need not be of one instant for
// who hears of all that happens meanwhile, and of others none but `st` is told.
func (rd *Reader) Confirm(ctx context.Context, st *chat.Snapshot) (*chat.Snapshot, error) {
	p, ok := rd.store.Of(st.ID)
	if !ok || st.Op == "" {
		return rd.Look(ctx, st.ID)
	}
	var (
		now          *redis.SliceCmd
		last         *redis.XMessageSliceCmd
		counts, read *redis.MapStringStringCmd
	)
	_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		now = pipe.HMGet(ctx, p.Session(st.ID), "ops", "seq")
		last = pipe.XRevRangeN(ctx, p.Log(st.ID), "+", "-", 1)
		counts, read = pipe.HGetAll(ctx, p.Unread(st.ID)), pipe.HGetAll(ctx, p.Read(st.ID))
		return nil
	})
	if err != nil {
		return rd.Look(ctx, st.ID)
	}
	seq := strconv.FormatInt(st.Seq, 10)
	ops, _ := now.Val()[0].(string)
	at, _ := now.Val()[1].(string)
	if !strings.HasPrefix(ops, st.Op+",") || at != seq || len(last.Val()) == 0 || last.Val()[0].ID != seq+"-0" {
		return rd.Look(ctx, st.ID)
	}
	same := *st
	same.LastMid = chat.MidOf(fmt.Sprint(last.Val()[0].Values["h"]))
	same.Counts, same.Marks = chat.Counts(counts.Val()), chat.Counts(read.Val())
	return &same, nil
}

// since is Look for what only needs its state and its last seq, for who knows the session as a transition left it: one
// command tells where it is the last one still.
func (rd *Reader) since(ctx context.Context, session string, known *chat.Snapshot) (*chat.Snapshot, error) {
	if p, ok := rd.store.Of(session); ok && known != nil && known.Op != "" {
		if f, err := rd.store.Pipe.HMGet(ctx, p.Session(session), "ops", "seq").Result(); err == nil {
			ops, _ := f[0].(string)
			text, _ := f[1].(string)
			if seq, err := strconv.ParseInt(text, 10, 64); err == nil && strings.HasPrefix(ops, known.Op+",") {
				same := *known
				same.Seq = seq
				return &same, nil
			}
		}
	}
	return rd.Look(ctx, session)
}

// ReadableState is look for somebody who must be allowed to.
func (rd *Reader) ReadableState(ctx context.Context, a chat.Actor, session string) (*chat.Snapshot, error) {
	st, err := rd.Look(ctx, session)
	if err != nil {
		return nil, err
	}
	return st, rd.Judge(ctx, a, chat.ActHistory, st)
}

// Readable is nil if the actor may read the session; else CodeNotFound or CodeForbidden.
func (rd *Reader) Readable(ctx context.Context, a chat.Actor, session string) error {
	_, err := rd.ReadableState(ctx, a, session)
	return err
}

// Session shows one session to those who may read it.
func (rd *Reader) Session(ctx context.Context, a chat.Actor, id string) (chat.Session, error) {
	st, err := rd.ReadableState(ctx, a, id)
	if err != nil {
		return chat.Session{}, err
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}

// Sessions lists one's own sessions, newest first, as many as fit into a page;
// everyone's for supervisors and host applications. Agents see what waits in a
// queue of their own, too, if they ask for that.
func (rd *Reader) Sessions(ctx context.Context, a chat.Actor, r chat.SessionsRequest) (chat.SessionsReply, error) {
	limit, err := chat.ListLimit(r.Limit)
	if err != nil {
		return chat.SessionsReply{}, err
	}
	for _, s := range r.States {
		switch s {
		case chat.Waiting, chat.Serving, chat.Transferring, chat.Ending, chat.Ended:
		default:
			return chat.SessionsReply{}, chat.Errorf(chat.CodeBadRequest, "state: waiting, serving, transferring, ending or ended")
		}
	}
	if r.Label != "" {
		if err := chat.Allow(a, chat.ActLabel); err != nil {
			return chat.SessionsReply{}, err
		}
	}
	if err := chat.ValidText("label", r.Label, chat.MaxID); err != nil {
		return chat.SessionsReply{}, err
	}
	after, err := parseCursor(r.Cursor)
	if err != nil {
		return chat.SessionsReply{}, err
	}
	if r.Until > 0 && (after == nil || float64(r.Until) < after.Created) {
		after = &Cursor{Created: float64(r.Until)}
	}
	lists := append(rd.liveLists(a, &r, after, limit), rd.shelfList(a, r, after, limit))
	seen, room := map[string]bool{}, chat.NewPage()
	reply := chat.SessionsReply{Sessions: []chat.Session{}}
	for {
		st, err := later(ctx, lists...)
		if err != nil || st == nil {
			return reply, err
		}
		if seen[st.ID] || !r.Matches(st) {
			continue
		}
		shown, err := rd.listable(ctx, a, &r, st)
		if err != nil {
			return reply, err
		}
		if !shown {
			continue
		}
		s := st.As(chat.Who(a.Role, a.ID))
		if n := len(reply.Sessions); n == limit || !room.Fits(chat.Sized(s)) {
			last := reply.Sessions[n-1]
			reply.Cursor = Cursor{last.ID, float64(last.Created.UnixMilli())}.String()
			return reply, nil
		}
		seen[st.ID] = true
		reply.Sessions = append(reply.Sessions, s)
	}
}

// listable tells whether the actor may read a session, and the agent asked for took part in it.
func (rd *Reader) listable(ctx context.Context, a chat.Actor, r *chat.SessionsRequest, st *chat.Snapshot) (bool, error) {
	if r.Agent != "" {
		if took, err := rd.TookPart(ctx, st, chat.Who(chat.RoleAgent, r.Agent)); err != nil || !took {
			return false, err
		}
	}
	err := rd.Judge(ctx, a, chat.ActHistory, st)
	if errors.Is(err, &chat.Error{Code: chat.CodeForbidden}) {
		return false, nil
	}
	return err == nil, err
}

// Cursor is a session's place in a list: newest first, ties by id.
type Cursor struct {
	ID      string
	Created float64 // ms
}

// String names the place to a client that asks for what follows.
func (l Cursor) String() string { return strconv.FormatInt(int64(l.Created), 10) + "." + l.ID }

func parseCursor(s string) (*Cursor, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no cursor is a good cursor
	}
	at, id, ok := strings.Cut(s, ".")
	created, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || len(id) > chat.MaxID {
		return nil, chat.Errorf(chat.CodeBadRequest, "cursor: none of ours")
	}
	return &Cursor{id, float64(created)}, nil
}

// Before tells whether a place comes before another one: newest first.
func (l Cursor) Before(o Cursor) bool {
	if l.Created != o.Created {
		return l.Created > o.Created
	}
	return l.ID > o.ID
}

// LookAll reads many sessions in Redis; nil for one that is not there.
func (rd *Reader) LookAll(ctx context.Context, list []Cursor) ([]*chat.Snapshot, error) {
	out := make([]*chat.Snapshot, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, l := range list {
		g.Go(func() (err error) {
			out[i], err = rd.LookLive(ctx, l.ID)
			if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) { // no session's id
				err = nil
			}
			return err
		})
	}
	return out, g.Wait()
}
