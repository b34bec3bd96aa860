package broker

import "context"

// Join makes another agent of the queue, or a supervisor, take part; silent
// lets a supervisor's connection watch unseen.
func (b *Broker) Join(ctx context.Context, a Actor, session string, silent bool) (Session, error) {
	if err := Allow(a, ActJoin); err != nil {
		return Session{}, err
	}
	if silent {
		return b.watchSilently(ctx, a, session)
	}
	s := newStep(a, ActJoin, session)
	s.Info, s.Queues, s.Max = encode(a.Person()), append([]string{}, a.Queues...), maxAssists
	return b.transit(ctx, a, "join", s)
}

func (b *Broker) watchSilently(ctx context.Context, a Actor, session string) (Session, error) {
	if err := Allow(a, ActSilent); err != nil {
		return Session{}, err
	}
	if a.Conn == nil {
		return Session{}, Errorf(CodeBadRequest, "silent: needs a connection")
	}
	a.Conn.mu.Lock()
	n := len(a.Conn.silent)
	a.Conn.mu.Unlock()
	if n >= maxWatched {
		return Session{}, &Error{Code: CodeFull, Message: "too many sessions watched unseen by one connection", Load: n, Capacity: maxWatched}
	}
	f, err := b.hub.hold(ctx, session)
	if err != nil {
		return Session{}, err
	}
	if f.watch(a.Conn) {
		a.Conn.watchesSilently(f)
	} else {
		b.hub.release(f)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.as(a.Conn.m.who), nil
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
func (b *Broker) Leave(ctx context.Context, a Actor, session string) (Session, error) {
	if err := Allow(a, ActLeave); err != nil {
		return Session{}, err
	}
	if a.Conn != nil {
		a.Conn.mu.Lock()
		for i, f := range a.Conn.silent {
			if f.id == session {
				a.Conn.silent = append(a.Conn.silent[:i:i], a.Conn.silent[i+1:]...)
				a.Conn.mu.Unlock()
				f.unwatch(a.Conn)
				return b.Session(ctx, a, session)
			}
		}
		a.Conn.mu.Unlock()
	}
	return b.transit(ctx, a, "leave", newStep(a, ActLeave, session))
}
