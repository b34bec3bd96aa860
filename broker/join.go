package broker

import (
	"context"

	"bellhop/broker/chat"
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
	s := newStep(a, chat.ActJoin, session)
	s.Info, s.Queues, s.Max = chat.Encode(a.Person()), append([]string{}, a.Queues...), chat.MaxAssists
	return b.transit(ctx, a, "join", s)
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
		return b.Session(ctx, a, session)
	}
	return b.transit(ctx, a, "leave", newStep(a, chat.ActLeave, session))
}
