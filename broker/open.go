package broker

import (
	"cmp"
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

// Open opens a session for a user, or gives the one it has open in that queue.
func (b *Broker) Open(ctx context.Context, a chat.Actor, r chat.OpenRequest) (chat.Session, error) {
	user := a.Person()
	priority := a.Priority
	if a.Host {
		user, priority = r.User, r.Priority
	} else if err := chat.Allow(a, chat.ActOpen); err != nil {
		return chat.Session{}, err
	}
	meta, err := r.Normalize(user, priority)
	if err != nil {
		return chat.Session{}, err
	}
	if r.Subject, err = b.screen(ctx, chat.FilterInput{From: chat.Author{ID: user.ID, Role: chat.RoleUser, Name: user.Name}, Type: chat.FilterSubject, Text: r.Subject},
		chat.MaxSubject); err != nil {
		return chat.Session{}, err
	}
	p, w, id := b.store.Home(user.ID), "u:"+user.ID, b.store.NewSessionID(user.ID)
	keys := p.Transition(id, p.Waiting(r.Queue), p.Open(user.ID), p.Listed(w), p.Sessions(), p.Profile(w), p.Rate(people.RateOpen, w), p.Strange())
	args := openArgs{call: newCall(id), Queue: r.Queue, User: user.ID, Info: chat.Encode(user), Subject: r.Subject, Meta: meta}
	quota := b.limits.Opens(a)
	args.Interval, args.Burst = quota.Interval, quota.Burst
	reply, err := b.bounded(ctx, a, "open", p, r.Queue, keys, func(bound bounds) any {
		args.bounds = bound
		q := b.settings.Queue(r.Queue)
		args.Priority, args.Known, args.Wait = cmp.Or(priority, q.Priority), b.settings.Known(r.Queue), routing.Begin(q, time.Now())
		return args
	})
	if err != nil {
		return chat.Session{}, err
	}
	return b.begun(ctx, a, id, reply)
}

// openArgs is what open.lua is told.
type openArgs struct {
	call
	Queue    string `json:"queue"`
	User     string `json:"user"`
	Info     string `json:"info"`
	Subject  string `json:"subject"`
	Meta     string `json:"meta"`
	Priority int    `json:"priority"`
	Interval int64  `json:"interval"`
	Burst    int64  `json:"burst"`
	Known    bool   `json:"known,omitempty"`
	bounds
	routing.Wait
}

// begun is the answer of a script that lets a user's session wait, or names
// another one that the user has open in the queue.
func (b *Broker) begun(ctx context.Context, a chat.Actor, session string, r store.Reply) (chat.Session, error) {
	if r.Str(0) == "exists" {
		st, err := b.sessions.Look(ctx, r.Str(1))
		if err != nil {
			return chat.Session{}, err
		}
		if c := device(a); c != nil {
			b.hub.Joined(c, st)
		}
		return st.As("u:" + st.User.ID), nil
	}
	if err := store.Refused(r); err != nil {
		return chat.Session{}, err
	}
	st, err := chat.ParseState(session, r.Str(1))
	if err != nil {
		return chat.Session{}, err
	}
	s, err := b.concluded(ctx, a, st, r)
	if err == nil && (st.Sticky != "" || st.BotFirst) {
		b.soon(session)
	}
	return s, err
}
