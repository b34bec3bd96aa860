package broker

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// rateWindow is how long after its end a session can be rated.
const rateWindow = 7 * 24 * time.Hour

// RateRequest is what a user thought of a session.
type RateRequest struct {
	Session string
	Score   int // 1 to 5
	Comment string
}

// Rate keeps what the user thought of an ended session: once, within seven
// days. A second, different rating is CodeTooLate.
func (b *Broker) Rate(ctx context.Context, a chat.Actor, r RateRequest) (chat.Session, error) {
	if r.Score < 1 || r.Score > 5 {
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "score: 1 to 5")
	}
	if err := chat.ValidProse("comment", r.Comment, chat.MaxNote); err != nil {
		return chat.Session{}, err
	}
	if !a.Host {
		in := FilterInput{Session: r.Session, From: chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, Type: FilterReason, Text: r.Comment}
		var err error
		if r.Comment, err = b.screen(ctx, in, chat.MaxNote); err != nil {
			return chat.Session{}, err
		}
	}
	return b.afterEnd(ctx, a, chat.ActRate, r.Session, func(s step) (chat.Session, error) {
		s.Score, s.Comment, s.Window = r.Score, r.Comment, rateWindow.Milliseconds()
		return b.transit(ctx, a, "rate", s)
	})
}

// Reopen lets an ended session wait again, for its user, within its queue's
// window. If the user has another one open in that queue, that is the answer.
func (b *Broker) Reopen(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	return b.afterEnd(ctx, a, chat.ActReopen, session, func(s step) (chat.Session, error) { return b.reopen(ctx, a, s) })
}

func (b *Broker) reopen(ctx context.Context, a chat.Actor, s step) (chat.Session, error) {
	p, _ := b.Of(s.Session)
	queue, user, err := b.where(ctx, p, s.Session)
	if err != nil {
		return chat.Session{}, b.Absent(ctx, a, chat.ActReopen, s.Session, err)
	}
	for range 5 {
		keys := p.Transition(s.Session, append(endKeys(p, queue, user), p.Strange())...)
		r, err := b.bounded(ctx, a, "reopen", p, queue, keys, func(bound bounds) any {
			q := b.settings.queue(queue)
			return reopenArgs{s.Op, s.Session, s.By, s.Boss, queue, store.Milliseconds(q.ReopenWindow), bound, beginWait(q, time.Now())}
		})
		if err != nil {
			return chat.Session{}, err
		}
		if r.Str(0) == "moved" {
			queue, user = r.Str(1), r.Str(2)
			continue
		}
		st, err := b.begun(ctx, a, s.Session, r)
		return st, b.Absent(ctx, a, chat.ActReopen, s.Session, err)
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "the session keeps moving; try again")
}

type reopenArgs struct {
	Op      string `json:"op"`
	Session string `json:"session"`
	By      string `json:"by"`
	Boss    bool   `json:"boss,omitempty"`
	Queue   string `json:"queue"`
	Window  int64  `json:"window"` // ms
	bounds
	wait
}

// afterEnd runs a user's transition of an ended session, which may have left Redis.
func (b *Broker) afterEnd(ctx context.Context, a chat.Actor, action chat.Action, session string, do func(s step) (chat.Session, error)) (chat.Session, error) {
	if err := chat.Allow(a, action); err != nil {
		return chat.Session{}, err
	}
	if _, ok := b.Of(session); !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	s := newStep(a, action, session)
	s.By = chat.Who(a.Role, a.ID)
	st, err := do(s)
	if !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return st, err
	}
	// Neither script answers so: the session has moved to the archive.
	if err := b.revive(ctx, session); err != nil {
		return chat.Session{}, err
	}
	return do(s)
}
