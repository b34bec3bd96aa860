package live

import (
	"context"
	"slices"

	"bellhop/broker/chat"
)

// seat gives a member its place; kept tells whether it uses the caller's hold.
func (f *feed) seat(m *member) (s chat.Session, kept bool) {
	f.mu.Lock()
	defer f.unlock()
	s, f.placed = f.as(m.who), [2]int{}
	if _, in := f.unread[m.who]; !in || f.seats[m.who] == m {
		return s, false
	}
	if f.seats[m.who] != nil {
		f.remove(f.seats[m.who])
	}
	f.seats[m.who] = m
	f.seen(m)
	m.count(f.id, f.unread[m.who], false, "")
	if !m.alive() {
		// Its last connection left meanwhile and may not have seen this seat.
		f.remove(m)
	}
	return s, true
}

// unseat is for a member whose last connection left.
func (f *feed) unseat(m *member) {
	f.mu.Lock()
	defer f.unlock()
	f.remove(m)
}

func (f *feed) remove(m *member) {
	if f.seats[m.who] != m {
		return
	}
	delete(f.seats, m.who)
	m.forget(f.id)
	f.freed++
}

// watch lets a supervisor's connection see the session unseen; kept as in seat.
func (f *feed) watch(c *Conn) (kept bool) {
	f.mu.Lock()
	defer f.unlock()
	if slices.Contains(f.silent, c) || f.seats[c.m.who] != nil {
		return false
	}
	f.silent = append(f.silent, c)
	return true
}

// seen ends the silent watching of a member who has a seat now.
func (f *feed) seen(m *member) {
	f.silent = slices.DeleteFunc(f.silent, func(c *Conn) bool {
		if c.m != m {
			return false
		}
		c.mu.Lock()
		c.silent = slices.DeleteFunc(c.silent, func(o *feed) bool { return o == f })
		c.mu.Unlock()
		f.freed++
		return true
	})
}

func (f *feed) unwatch(c *Conn) {
	f.mu.Lock()
	defer f.unlock()
	if i := slices.Index(f.silent, c); i >= 0 {
		f.silent = slices.Delete(f.silent, i, i+1)
		f.freed++
	}
}

// WatchUnseen lets a supervisor's connection see a session unseen.
func (h *Hub) WatchUnseen(ctx context.Context, c *Conn, session string) (chat.Session, error) {
	c.mu.Lock()
	n := len(c.silent)
	c.mu.Unlock()
	if n >= chat.MaxWatched {
		return chat.Session{}, &chat.Error{Code: chat.CodeFull, Message: "too many sessions watched unseen by one connection", Load: n, Capacity: chat.MaxWatched}
	}
	f, err := h.hold(ctx, session, nil)
	if err != nil {
		return chat.Session{}, err
	}
	if f.watch(c) {
		c.watchesSilently(f)
	} else {
		h.release(f)
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

// UnwatchUnseen ends that; false if the connection did not watch the session.
func (c *Conn) UnwatchUnseen(session string) bool {
	c.mu.Lock()
	for i, f := range c.silent {
		if f.id == session {
			c.silent = append(c.silent[:i:i], c.silent[i+1:]...)
			c.mu.Unlock()
			f.unwatch(c)
			return true
		}
	}
	c.mu.Unlock()
	return false
}
