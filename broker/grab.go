package broker

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

// Grab takes a waiting session: exactly one of all who try wins. Repeated by
// the owner it does nothing. Two round trips for the winner.
func (b *Broker) Grab(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActGrab); err != nil {
		return chat.Session{}, err
	}
	if _, ok := b.store.Of(session); !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	for {
		g, first := b.gates.Enter(session)
		if first {
			s, err := b.contend(ctx, a, session, g.Hot)
			b.gates.Leave(g, err)
			return s, err
		}
		select {
		case <-g.Done:
		case <-ctx.Done():
			return chat.Session{}, store.RedisError("grab", ctx.Err())
		}
		// What the one before saw is an answer for those who waited, unless they won themselves.
		if g.Winner != "" && g.Winner != a.ID {
			return chat.Session{}, &chat.Error{Code: chat.CodeTaken, Message: "somebody else has it", By: g.Winner}
		}
	}
}

// contend goes to Redis for one agent. Where others lost or won just now, one
// cheap look comes first.
func (b *Broker) contend(ctx context.Context, a chat.Actor, session string, hot bool) (chat.Session, error) {
	if hot {
		st, err := b.sessions.Look(ctx, session)
		if err != nil {
			return chat.Session{}, err
		}
		if st.State != chat.Waiting && st.State != chat.Ended && st.Agent.ID != a.ID && chat.Contains(a.Queues, st.Queue) {
			return chat.Session{}, &chat.Error{Code: chat.CodeTaken, Message: "somebody else has it", By: st.Agent.ID}
		}
	}
	return b.withPlace(ctx, a.Identity, session, places.Only{}, func(pl places.Place) (chat.Session, error) { return b.win(ctx, a, pl, session, nil) })
}

// withPlace does something with a place reserved for it; anew where that took so
// long that the place was given up.
func (b *Broker) withPlace(ctx context.Context, agent chat.Identity, session string, only places.Only, do func(places.Place) (chat.Session, error)) (chat.Session, error) {
	for range 3 {
		pl, err := b.places.Reserve(ctx, agent, session, only)
		if err != nil {
			return chat.Session{}, err
		}
		s, err := do(pl)
		if !errors.Is(err, store.ErrLate) {
			return s, err
		}
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "Redis is too slow; try again")
}

// win makes the agent whose place was reserved the owner; ErrLate if the place is
// too old. auto: nobody asked for it but whoever assigns.
func (b *Broker) win(ctx context.Context, a chat.Actor, pl places.Place, session string, auto *routing.Assignment) (chat.Session, error) {
	r, err := b.claim(ctx, pl, session, a.Role == chat.RoleBot, auto)
	return b.won(ctx, a, chat.ActGrab, pl, session, r, err)
}

// won answers what a script replied that makes the agent with the place the owner.
func (b *Broker) won(ctx context.Context, a chat.Actor, action chat.Action, pl places.Place, session string, r store.Reply, err error) (chat.Session, error) {
	if err != nil {
		return chat.Session{}, err // unknown whether it took effect: the place's timer finds out
	}
	if r, err = b.places.Brought(ctx, pl, session, r); err != nil {
		return chat.Session{}, b.sessions.Absent(ctx, a, action, session, err)
	}
	return b.answer(ctx, a, session, r)
}

// claimArgs is what claim.lua is told.
type claimArgs struct {
	call
	places.Place
	Idle map[string]int64 `json:"idle,omitempty"` // ms by queue
	Bot  bool             `json:"bot,omitempty"`
	Auto bool             `json:"auto,omitempty"`
}

func (b *Broker) claim(ctx context.Context, pl places.Place, session string, bot bool, auto *routing.Assignment) (store.Reply, error) {
	p, _ := b.store.Of(session)
	lists := make([]string, len(pl.Queues))
	for i, q := range pl.Queues {
		lists[i] = p.Waiting(q)
	}
	args := claimArgs{call: newCall(session), Place: pl, Bot: bot, Auto: auto != nil}
	keys, arg := p.Transition(session, lists...), func() any {
		if auto != nil && auto.Queue != "" && b.settings.Queue(auto.Queue).Routing != "auto" {
			return nil // it does not assign any more
		}
		args.Idle = b.idleTimes(pl.Queues...)
		return args
	}
	if auto == nil {
		return b.settings.Ruled(ctx, "claim", p, keys, arg)
	}
	// Who assigns went by the settings before: it must think again.
	r, err := b.settings.UnderRules(ctx, "claim", p, keys, arg)
	if err == nil && r.Str(0) == "stale" {
		err = b.settings.Renew(ctx, p, r.Str(1))
	}
	return r, err
}

// GrabQueue takes the first in line; CodeNotFound when nobody waits. Where
// others of this node are after the same session, it goes for the next.
func (b *Broker) GrabQueue(ctx context.Context, a chat.Actor, queue string) (chat.Session, error) {
	if queue == "" {
		queue = chat.DefaultQueueID
	}
	if err := chat.ValidID("queue", queue); err != nil {
		return chat.Session{}, err
	}
	if err := chat.Allow(a, chat.ActGrab); err != nil {
		return chat.Session{}, err
	}
	if !chat.Contains(a.Queues, queue) {
		return chat.Session{}, chat.Errorf(chat.CodeForbidden, "not of your queues")
	}
	var lost error
	for range 20 {
		line, err := b.waiting.First(ctx, queue, 16)
		if err != nil {
			return chat.Session{}, err
		}
		if len(line) == 0 {
			return chat.Session{}, chat.Errorf(chat.CodeNotFound, "nobody waits")
		}
		for _, session := range b.gates.Free(line) {
			s, err := b.Grab(ctx, a, session)
			if err == nil {
				return s, nil
			}
			switch chat.AsError(err).Code {
			case chat.CodeTaken, chat.CodeEnded, chat.CodeNotFound, chat.CodeForbidden:
				lost = err // moved on since the line was read
			default:
				return chat.Session{}, err
			}
		}
		if !store.Sleep(ctx, store.Jitter(5*time.Millisecond)) {
			break
		}
	}
	return chat.Session{}, lost
}
