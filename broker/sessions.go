package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
)

// look reads a session as it is now: in Redis, or in the archive once it has moved there.
func (b *Broker) look(ctx context.Context, session string) (*chat.Snapshot, error) {
	st, err := b.lookLive(ctx, session)
	if st == nil && err == nil {
		return b.shelved(ctx, session)
	}
	return st, err
}

// lookLive reads a session in Redis; nil where it is not (any more).
func (b *Broker) lookLive(ctx context.Context, session string) (*chat.Snapshot, error) {
	p, ok := b.Of(session)
	if !ok {
		return nil, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	r, err := b.Run(ctx, "look", p.Looked(session))
	if err != nil {
		return nil, err
	}
	st, err := chat.ParseState(session, r.Str(0))
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", session, err)
	}
	return st, nil
}

// readableState is look for somebody who must be allowed to.
func (b *Broker) readableState(ctx context.Context, a chat.Actor, session string) (*chat.Snapshot, error) {
	st, err := b.look(ctx, session)
	if err != nil {
		return nil, err
	}
	return st, b.judge(ctx, a, chat.ActHistory, st)
}

// Readable is nil if the actor may read the session; else CodeNotFound or CodeForbidden.
func (b *Broker) Readable(ctx context.Context, a chat.Actor, session string) error {
	_, err := b.readableState(ctx, a, session)
	return err
}

// Session shows one session to those who may read it.
func (b *Broker) Session(ctx context.Context, a chat.Actor, id string) (chat.Session, error) {
	st, err := b.readableState(ctx, a, id)
	if err != nil {
		return chat.Session{}, err
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}

// Sessions lists one's own sessions, newest first, as many as fit into a page;
// everyone's for supervisors and host applications. Agents see what waits in a
// queue of their own, too, if they ask for that.
func (b *Broker) Sessions(ctx context.Context, a chat.Actor, r chat.SessionsRequest) (chat.SessionsReply, error) {
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
	if r.Until > 0 && (after == nil || float64(r.Until) < after.created) {
		after = &listed{created: float64(r.Until)}
	}
	lists := append(b.liveLists(a, &r, after, limit), b.shelfList(a, r, after, limit))
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
		shown, err := b.listable(ctx, a, &r, st)
		if err != nil {
			return reply, err
		}
		if !shown {
			continue
		}
		s := st.As(chat.Who(a.Role, a.ID))
		if n := len(reply.Sessions); n == limit || !room.Fits(chat.Sized(s)) {
			last := reply.Sessions[n-1]
			reply.Cursor = listed{last.ID, float64(last.Created.UnixMilli())}.cursor()
			return reply, nil
		}
		seen[st.ID] = true
		reply.Sessions = append(reply.Sessions, s)
	}
}

// listable tells whether the actor may read a session, and the agent asked for took part in it.
func (b *Broker) listable(ctx context.Context, a chat.Actor, r *chat.SessionsRequest, st *chat.Snapshot) (bool, error) {
	if r.Agent != "" {
		if took, err := b.tookPart(ctx, st, chat.Who(chat.RoleAgent, r.Agent)); err != nil || !took {
			return false, err
		}
	}
	err := b.judge(ctx, a, chat.ActHistory, st)
	if errors.Is(err, &chat.Error{Code: chat.CodeForbidden}) {
		return false, nil
	}
	return err == nil, err
}

// listed is a session's place in a list: newest first, ties by id.
type listed struct {
	id      string
	created float64 // ms
}

func (l listed) cursor() string { return strconv.FormatInt(int64(l.created), 10) + "." + l.id }

func parseCursor(s string) (*listed, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no cursor is a good cursor
	}
	at, id, ok := strings.Cut(s, ".")
	created, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || len(id) > chat.MaxID {
		return nil, chat.Errorf(chat.CodeBadRequest, "cursor: none of ours")
	}
	return &listed{id, float64(created)}, nil
}

func (l listed) before(o listed) bool {
	if l.created != o.created {
		return l.created > o.created
	}
	return l.id > o.id
}

// lookAll reads many sessions in Redis; nil for one that is not there.
func (b *Broker) lookAll(ctx context.Context, list []listed) ([]*chat.Snapshot, error) {
	out := make([]*chat.Snapshot, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, l := range list {
		g.Go(func() (err error) {
			out[i], err = b.lookLive(ctx, l.id)
			if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) { // no session's id
				err = nil
			}
			return err
		})
	}
	return out, g.Wait()
}
