package broker

import (
	"context"
	"errors"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// End ends a session: at once by its user, a supervisor or with force; by its
// owner without force it asks the user to confirm.
func (b *Broker) End(ctx context.Context, a chat.Actor, r chat.EndRequest) (chat.Session, error) {
	if err := chat.ValidProse("reason", r.Reason, chat.MaxNote); err != nil {
		return chat.Session{}, err
	}
	if !a.Host {
		in := chat.FilterInput{Session: r.Session, From: chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, Type: chat.FilterReason, Text: r.Reason}
		var err error
		if r.Reason, err = b.screen(ctx, in, chat.MaxNote); err != nil {
			return chat.Session{}, err
		}
	}
	p, ok := b.store.Of(r.Session)
	if !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	args := endArgs{caller: calledBy(a, chat.ActEnd, r.Session), Name: a.ID, Force: r.Force, Reason: r.Reason}
	args.By = chat.Who(a.Role, a.ID)
	_, user, err := b.where(ctx, p, r.Session)
	if err != nil {
		return b.endAgain(ctx, a, r.Session, err)
	}
	if a.Host && a.ID == "" {
		args.By, args.Name = "u:"+user, user
	}
	st, err := b.end(ctx, a, args)
	if errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return b.endAgain(ctx, a, r.Session, err) // its feed was still here
	}
	return st, err
}

// endUnconfirmed is for a session whose user has not confirmed its end in time.
func (b *Broker) endUnconfirmed(ctx context.Context, session string) error {
	_, err := b.end(ctx, chat.Actor{}, endArgs{caller: caller{call: newCall(session)}, Due: true})
	return err
}

// endArgs is what end.lua is told.
type endArgs struct {
	caller        // By: a participant
	Name   string `json:"name"` // its id
	Force  bool   `json:"force,omitempty"`
	Due    bool   `json:"due,omitempty"`
	Queue  string `json:"queue"`
	Reason string `json:"reason"`
	TTL    int64  `json:"ttl"`  // ms
	Keep   int64  `json:"keep"` // ms
}

func (b *Broker) end(ctx context.Context, a chat.Actor, args endArgs) (chat.Session, error) {
	return b.relocate(ctx, a, chat.ActEnd, args.Session, func(p store.Partition, queue, user string) (store.Reply, error) {
		return b.settings.Ruled(ctx, "end", p, p.Transition(args.Session, endKeys(p, queue, user)...), func() any {
			args.Queue, args.TTL, args.Keep = queue, store.Milliseconds(b.settings.Queue(queue).EndTimeout), b.settings.Keep()
			return args
		})
	})
}

// endAgain answers for a session that ended so long ago that it has left Redis.
func (b *Broker) endAgain(ctx context.Context, a chat.Actor, session string, err error) (chat.Session, error) {
	if err = b.sessions.Absent(ctx, a, chat.ActEnd, session, err); !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return chat.Session{}, err
	}
	st, err := b.sessions.Shelved(ctx, session)
	if err != nil {
		return chat.Session{}, err
	}
	if err := b.sessions.Judge(ctx, a, chat.ActEnd, st); err != nil {
		return chat.Session{}, err
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}

// endKeys are the further keys of a script that ends a session, or begins it anew.
func endKeys(p store.Partition, queue, user string) []string {
	return []string{p.Waiting(queue), p.Open(user), p.Profile("u:" + user)}
}
