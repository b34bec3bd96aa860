package broker

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

// reopenArgs is what reopen.lua is told.
type reopenArgs struct {
	caller        // By: a participant
	Queue  string `json:"queue"`
	Window int64  `json:"window"` // ms
	bounds
	routing.Wait
}

// Reopen lets an ended session wait again, for its user, within its queue's
// window. If the user has another one open in that queue, that is the answer.
func (b *Broker) Reopen(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	return b.afterEnd(ctx, a, chat.ActReopen, session, func(c caller) (chat.Session, error) {
		r, err := b.follow(ctx, session, func(p store.Partition, queue, user string) (store.Reply, error) {
			keys := p.Transition(session, append(endKeys(p, queue, user), p.Strange())...)
			return b.bounded(ctx, a, "reopen", p, queue, keys, func(bound bounds) any {
				q := b.settings.Queue(queue)
				return reopenArgs{c, queue, store.Milliseconds(q.ReopenWindow), bound, routing.Begin(q, time.Now())}
			})
		})
		if err != nil {
			return chat.Session{}, err
		}
		s, err := b.begun(ctx, a, session, r)
		return s, b.sessions.Absent(ctx, a, chat.ActReopen, session, err)
	})
}

// afterEnd runs a user's transition of an ended session, which may have left Redis.
func (b *Broker) afterEnd(ctx context.Context, a chat.Actor, action chat.Action, session string, do func(c caller) (chat.Session, error)) (chat.Session, error) {
	if err := chat.Allow(a, action); err != nil {
		return chat.Session{}, err
	}
	if _, ok := b.store.Of(session); !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	c := calledBy(a, action, session)
	c.By = chat.Who(a.Role, a.ID)
	s, err := do(c)
	if !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return s, err
	}
	// Neither script answers so: the session has moved to the archive.
	if err := b.revive(ctx, session); err != nil {
		return chat.Session{}, err
	}
	return do(c)
}
