package broker

import (
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// ratingWindow is how long after its end a session can be rated.
const ratingWindow = 7 * 24 * time.Hour

// RateRequest is what a user thought of a session.
type RateRequest struct {
	Session string
	Score   int // 1 to 5
	Comment string
}

// ratingArgs is what rate.lua is told.
type ratingArgs struct {
	caller         // By: a participant
	Score   int    `json:"score"`
	Comment string `json:"comment"`
	Window  int64  `json:"window"` // ms
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
		in := chat.FilterInput{Session: r.Session, From: chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, Type: chat.FilterReason, Text: r.Comment}
		var err error
		if r.Comment, err = b.screen(ctx, in, chat.MaxNote); err != nil {
			return chat.Session{}, err
		}
	}
	return b.afterEnd(ctx, a, chat.ActRate, r.Session, func(c caller) (chat.Session, error) {
		return b.transit(ctx, a, chat.ActRate, r.Session, func(p store.Partition) (store.Reply, error) {
			return b.store.RunJSON(ctx, "rate", p.Transition(r.Session), ratingArgs{c, r.Score, r.Comment, ratingWindow.Milliseconds()})
		})
	})
}
