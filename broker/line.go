package broker

import (
	"context"
	"time"

	"bellhop/broker/internal/store"
)

// patienceArgs is what patience.lua is told.
type patienceArgs struct {
	call
	Text  string `json:"text"`
	Opens string `json:"opens"` // JSON
}

// longWait tells a user who has waited long so.
func (b *Broker) longWait(ctx context.Context, session string) error {
	p, _ := b.store.Of(session)
	queue, _, err := b.where(ctx, p, session)
	if err != nil {
		return err
	}
	c := newCall(session)
	r, err := b.settings.Ruled(ctx, "patience", p, p.Transition(session), func() any {
		q := b.settings.Queue(queue)
		return patienceArgs{c, q.Offline, string(q.Hours.Opens(time.Now()))}
	})
	if err != nil || r.Str(0) == "too_early" {
		return err
	}
	return store.Refused(r)
}
