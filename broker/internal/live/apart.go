package live

import (
	"context"
	"time"

	"bellhop/broker/chat"
)

// Sessions that ended lately and did not fit into hello are apart: a member has
// no seat in them, so the node need not listen to each, but their unread is in
// its total. Only a read can change that, which the reader's node tells on the
// reader's own channel.

// setApart notes all of them anew.
func (m *member) setApart(list []endedSession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.apart {
		m.total -= e.unread
	}
	m.apart = make(map[string]endedSession, len(list))
	for _, e := range list {
		if _, seated := m.unread[e.id]; !seated {
			m.apart[e.id] = e
			m.total += e.unread
		}
	}
}

// unite ends a session's being apart; m.mu is held.
func (m *member) unite(session string) {
	m.total -= m.apart[session].unread
	delete(m.apart, session)
}

// isApart tells whether it takes part in a session and has no seat there.
func (m *member) isApart(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, apart := m.apart[session]
	return apart
}

// countApart notes the unread of a session that is apart, and tells the connections but one.
func (m *member) countApart(session string, n int64, but string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, apart := m.apart[session]
	if !apart || e.unread == n {
		return
	}
	m.total += n - e.unread
	e.unread = n
	m.apart[session] = e
	line := chat.AppendUnread(nil, session, n, m.total)
	for _, c := range m.conns {
		if c.id != but {
			c.Deliver(line)
		}
	}
}

// fade forgets what ended more than an hour ago.
func (h *Hub) fade() {
	cut := time.Now().Add(-chat.Lately).UnixMilli()
	for _, m := range h.everybody() {
		m.mu.Lock()
		for id, e := range m.apart {
			if e.at < cut {
				m.unite(id)
			}
		}
		m.mu.Unlock()
	}
}

// ReadEnded tells the reader's connections, at all nodes, what is unread in an
// ended session now: not all of them listen to it.
func (h *Hub) ReadEnded(ctx context.Context, c *Conn, session string, unread int64) {
	if !c.m.isApart(session) && !h.ended(session) {
		return
	}
	id := c.Identity()
	err := h.people.Tell(ctx, id.Role, id.ID, chat.Personal{Kind: "unread", Session: session, Unread: unread, Conn: c.id})
	if err != nil {
		h.store.Log.Warn("a read not told to other devices; their next hello will", "session", session, "error", err)
	}
}

// ended tells whether a session that is followed here has ended.
func (h *Hub) ended(session string) bool {
	f := h.live(session)
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st != nil && f.st.State == chat.Ended
}
