package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
)

// takeoverArgs is what takeover.lua is told.
type takeoverArgs struct {
	call
	Agent string           `json:"agent"`
	Info  string           `json:"info"`
	Token string           `json:"token"`
	Queue string           `json:"queue"`
	Idle  map[string]int64 `json:"idle,omitempty"` // ms by queue
}

// TakeOver makes a supervisor the owner of a session, whatever state it is in
// and whoever owns it. CodeFull if the supervisor has no room for it.
func (b *Broker) TakeOver(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActTakeOver); err != nil {
		return chat.Session{}, err
	}
	if _, err := b.sessions.Look(ctx, session); err != nil { // before a place is taken
		return chat.Session{}, err
	}
	return b.withPlace(ctx, a.Identity, session, places.Only{}, func(pl places.Place) (chat.Session, error) {
		args := takeoverArgs{call: newCall(session), Agent: pl.Agent, Info: pl.Info, Token: pl.Token}
		r, err := b.follow(ctx, session, func(p store.Partition, queue, _ string) (store.Reply, error) {
			return b.settings.Ruled(ctx, "takeover", p, p.Transition(session, p.Waiting(queue)), func() any {
				args.Queue, args.Idle = queue, b.idleTimes(queue)
				return args
			})
		})
		return b.won(ctx, a, chat.ActTakeOver, pl, session, r, err)
	})
}
