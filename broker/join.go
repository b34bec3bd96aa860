package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Join makes another agent of the queue, or a supervisor, take part; silent
// lets a supervisor's connection watch unseen.
func (b *Broker) Join(ctx context.Context, a chat.Actor, session string, silent bool) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActJoin); err != nil {
		return chat.Session{}, err
	}
	if silent {
		return b.watchSilently(ctx, a, session)
	}
	args := joinArgs{calledBy(a, chat.ActJoin, session), chat.Encode(a.Person()), append([]string{}, a.Queues...), chat.MaxAssists}
	return b.transit(ctx, a, chat.ActJoin, session, func(p store.Partition) (store.Reply, error) {
		return b.store.RunJSON(ctx, "join", p.Transition(session), args)
	})
}

// joinArgs is what join.lua is told.
type joinArgs struct {
	caller
	Info   string   `json:"info"`
	Queues []string `json:"queues"`
	Max    int      `json:"max"`
}

func (b *Broker) watchSilently(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActSilent); err != nil {
		return chat.Session{}, err
	}
	c := device(a)
	if c == nil {
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "silent: needs a connection")
	}
	return b.hub.WatchUnseen(ctx, c, session)
}

// Leave ends an assistant's part, or a supervisor's silent watching.
func (b *Broker) Leave(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActLeave); err != nil {
		return chat.Session{}, err
	}
	if c := device(a); c != nil && c.UnwatchUnseen(session) {
		return b.sessions.Session(ctx, a, session)
	}
	return b.leave(ctx, a, session, a.ID)
}

// leaveArgs is what leave.lua is told.
type leaveArgs struct {
	call
	By string `json:"by"`
}

func (b *Broker) leave(ctx context.Context, a chat.Actor, session, agent string) (chat.Session, error) {
	args := leaveArgs{newCall(session), agent}
	return b.transit(ctx, a, chat.ActLeave, session, func(p store.Partition) (store.Reply, error) {
		return b.store.RunJSON(ctx, "leave", p.Transition(session), args)
	})
}
