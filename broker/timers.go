package broker

import (
	"context"
	"errors"
	"strings"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// fire carries a timer out. Where Redis was away it comes again in a second;
// what else went wrong is tried again when its lease is over.
func (p *pulse) fire(ctx context.Context, w store.Lent) {
	err := p.b.fire(ctx, p.part, w.Member)
	if err == nil {
		p.books.Add(w, true)
		return
	}
	code := chat.AsError(err).Code
	if errors.Is(err, store.ErrAgain) || code == chat.CodeUnavailable || code == chat.CodeOverloaded {
		p.books.Add(w, false)
	}
	if !errors.Is(err, store.ErrAgain) && ctx.Err() == nil {
		p.b.store.Log.Warn("timer not carried out; it comes again", "timer", w.Member, "error", err)
	}
}

// fire carries out one timer. Each transition checks by itself whether it is
// due, so one that fires twice, or late, does no harm.
func (b *Broker) fire(ctx context.Context, p store.Partition, timer string) error {
	kind, id, _ := strings.Cut(timer, "|")
	var err error
	switch kind {
	case "offer":
		err = b.expireOffer(ctx, id)
	case "end":
		err = b.endUnconfirmed(ctx, id)
	case "abandon":
		err = b.abandon(ctx, id)
	case "idle":
		err = b.idle(ctx, id)
	case "patience":
		err = b.longWait(ctx, id)
	case "move":
		err = b.carryMove(ctx, id)
	case "route":
		if err = b.settings.Load(ctx); err == nil { // it began under settings that this node may not have read yet
			err = b.route(ctx, id)
		}
	case "gone":
		err = b.agentGone(ctx, id)
	case "expire":
		err = b.archiver.Expire(ctx, p, id)
	case "place":
		session, agent, _ := strings.Cut(id, "|")
		err = b.places.Due(ctx, p, agent, session)
	case "recover":
		err = b.recovered(ctx, p, id)
	}
	return unlessOver(err)
}

// unlessOver takes out the refusals that say that there is nothing (more) to do.
func unlessOver(err error) error {
	switch chat.AsError(err).Code {
	case chat.CodeWrongState, chat.CodeEnded, chat.CodeNotFound, chat.CodeForbidden:
		return nil
	}
	if errors.Is(err, store.ErrEarly) {
		return nil
	}
	return err
}
