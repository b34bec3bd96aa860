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
	c.mu.Lock()
	n := len(c.silent)
	c.mu.Unlock()
	if n >= chat.MaxWatched {
		return chat.Session{}, &chat.Error{Code: chat.CodeFull, Message: "too many sessions watched unseen by one connection", Load: n, Capacity: chat.MaxWatched}
	}
	f, err := b.hub.hold(ctx, session)
	if err != nil {
		return chat.Session{}, err
	}
	if f.watch(c) {
		c.watchesSilently(f)
	} else {
		b.hub.release(f)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.as(c.m.who), nil
}

func (c *Conn) watchesSilently(f *feed) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.silent = append(c.silent, f)
	}
	c.mu.Unlock()
	if closed {
		f.unwatch(c)
	}
}

// Leave ends an assistant's part, or a supervisor's silent watching.
func (b *Broker) Leave(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActLeave); err != nil {
		return chat.Session{}, err
	}
	if c := device(a); c != nil {
		c.mu.Lock()
		for i, f := range c.silent {
			if f.id == session {
				c.silent = append(c.silent[:i:i], c.silent[i+1:]...)
				c.mu.Unlock()
				f.unwatch(c)
				return b.Session(ctx, a, session)
			}
		}
		c.mu.Unlock()
	}
	return b.transit(ctx, a, "leave", newStep(a, chat.ActLeave, session))
}
