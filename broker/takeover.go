package broker

import (
	"context"
	"errors"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// TakeOver makes a supervisor the owner of a session, whatever state it is in
// and whoever owns it. CodeFull if the supervisor has no room for it.
func (b *Broker) TakeOver(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActTakeOver); err != nil {
		return chat.Session{}, err
	}
	if _, err := b.Look(ctx, session); err != nil { // before a place is taken
		return chat.Session{}, err
	}
	for range 3 {
		pl, err := b.reserve(ctx, a.Identity, session, reserveHow{})
		if err != nil {
			return chat.Session{}, err
		}
		s := newStep(a, chat.ActTakeOver, session)
		s.Agent, s.Info, s.Token = a.ID, pl.info, pl.token
		st, err := b.relocate(ctx, a, "takeover", s, acceptKeys)
		if refused(err) {
			b.free(ctx, pl, session)
		}
		if !errors.Is(err, store.ErrLate) {
			return st, err
		}
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "Redis is too slow; try again")
}

// refused tells whether an error says for sure that a place that was reserved is
// not needed. Where that is unknown, its timer finds out.
func refused(err error) bool {
	var k kept
	if err == nil || errors.As(err, &k) {
		return false
	}
	var e *chat.Error
	return errors.Is(err, store.ErrLate) || errors.As(err, &e) && e.Code != chat.CodeUnavailable
}

func acceptKeys(p store.Partition, queue, _ string) []string { return []string{p.Waiting(queue)} }
