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
		in := FilterInput{Session: r.Session, From: chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, Type: FilterReason, Text: r.Reason}
		var err error
		if r.Reason, err = b.screen(ctx, in, chat.MaxNote); err != nil {
			return chat.Session{}, err
		}
	}
	s := newStep(a, chat.ActEnd, r.Session)
	s.By, s.Name, s.Force, s.Reason = chat.Who(a.Role, a.ID), a.ID, r.Force, r.Reason
	p, ok := b.Of(r.Session)
	if !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	_, user, err := b.where(ctx, p, r.Session)
	if err != nil {
		return b.endAgain(ctx, a, r.Session, err)
	}
	if a.Host && a.ID == "" {
		s.By, s.Name = "u:"+user, user
	}
	st, err := b.relocate(ctx, a, "end", s, endKeys)
	if errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return b.endAgain(ctx, a, r.Session, err) // its feed was still here
	}
	return st, err
}

// endAgain answers for a session that ended so long ago that it has left Redis.
func (b *Broker) endAgain(ctx context.Context, a chat.Actor, session string, err error) (chat.Session, error) {
	if err = b.Absent(ctx, a, chat.ActEnd, session, err); !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return chat.Session{}, err
	}
	st, err := b.Shelved(ctx, session)
	if err != nil {
		return chat.Session{}, err
	}
	if err := b.Judge(ctx, a, chat.ActEnd, st); err != nil {
		return chat.Session{}, err
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}

// endKeys are the further keys of a script that ends a session, or begins it anew.
func endKeys(p store.Partition, queue, user string) []string {
	return []string{p.Waiting(queue), p.Open(user), p.Profile("u:" + user)}
}
