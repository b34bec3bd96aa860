package live

import (
	"context"
	"encoding/json"

	"bellhop/broker/chat"
)

// hello is a connection's first event.
type hello struct {
	Connection string         `json:"connection"`
	Me         me             `json:"me"`
	Server     string         `json:"server"`
	Heartbeat  int            `json:"heartbeat"` // seconds between the server's pings
	Sessions   []chat.Session `json:"sessions"`
	More       bool           `json:"more"`   // not all of them: Sessions lists the rest
	Unread     int64          `json:"unread"` // over all sessions, also those that did not fit
	Offers     []chat.Session `json:"offers"`
}

// hello attaches a new connection to its sessions and makes its first event.
func (h *Hub) hello(ctx context.Context, c *Conn) ([]byte, error) {
	out := hello{Connection: c.id, Me: newMe(c.Identity()), Server: h.store.Node, Heartbeat: 25}
	room := chat.NewPage()
	room.Left -= chat.Sized(out)
	g, err := h.gather(ctx, c.m, &room)
	if err != nil {
		return nil, err
	}
	if err := h.lastMids(ctx, g.sessions); err != nil {
		return nil, err
	}
	out.Sessions, out.Offers, out.More, out.Unread = g.sessions, g.offers, g.more, g.unread
	return chat.EventLine("hello", out), nil
}

// me is an identity as its own client sees it.
type me struct {
	chat.Person
	Role     chat.Role  `json:"role"`
	Queues   []string   `json:"queues,omitempty"`
	Capacity int        `json:"capacity,omitempty"`
	Expires  *chat.Time `json:"expires,omitempty"`
}

func newMe(id chat.Identity) me {
	m := me{Person: id.Person(), Role: id.Role}
	if id.Role.Staff() {
		m.Queues, m.Capacity = id.Queues, id.Capacity
	}
	if !id.Expires.IsZero() {
		m.Expires = &chat.Time{Time: id.Expires}
	}
	return m
}

func (m *member) seated(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.unread[session]
	return ok
}

// personal takes an event off a participant's own channel.
func (p *hubPart) personal(m *member, payload string) {
	var ev chat.Personal
	if err := json.Unmarshal([]byte(payload), &ev); err != nil {
		p.h.store.Log.Error("unreadable event", "participant", m.who, "error", err)
		return
	}
	for _, c := range m.all() {
		id := c.Identity()
		switch ev.Kind {
		case "replaced":
			if c.id == ev.Conn {
				c.shut(chat.CloseReplaced, "replaced by another connection of this device")
			}
		case "revoked":
			if (ev.Token != "" && id.TokenID == ev.Token) || ev.Before > 0 && id.Revoked(ev.Before, ev.Generation) {
				c.shut(chat.CloseRevoked, "token revoked")
			}
		case "removed":
			c.shut(chat.CloseRemoved, "removed by an administrator")
		}
	}
	switch ev.Kind {
	case "mine":
		p.h.store.Tasks.Go(func() {
			defer m.ruined("an event of one's own")
			span := p.h.store.Trace.Deliver(p.h.store.Life, ev.Trace, ev.Session)
			defer span.End()
			p.h.mine(m, ev)
		})
	case "settings":
		p.h.store.Tasks.Go(func() {
			defer m.ruined("settings")
			p.h.reassign(m)
		})
	case "unread":
		m.countApart(ev.Session, ev.Unread, ev.Conn)
	}
}

// mine shows a participant what changed between it and a session.
func (h *Hub) mine(m *member, ev chat.Personal) {
	switch {
	case ev.Extra != nil && ev.Extra.Kind == "offer":
		h.offered(m, ev)
	case ev.Extra != nil && ev.Extra.Kind == "offer-ended":
		m.offerEnded(ev.Session, ev.Extra.Outcome)
	}
	if ev.Role == "past" || ev.Role == "expired" {
		m.mu.Lock()
		m.unite(ev.Session)
		m.mu.Unlock()
	}
	if ev.Role == "" || ev.Role == "owner" || ev.Role == "assistant" {
		if !m.seated(ev.Session) {
			h.welcome(m, ev.Session, nil)
		}
	}
}

func (m *member) offerEnded(session, outcome string) {
	m.offered(session, false)
	m.deliver(chat.EventLine("offer-ended", struct {
		Session string `json:"session"`
		Outcome string `json:"outcome"`
	}{session, outcome}), "")
}

func (h *Hub) offered(m *member, ev chat.Personal) {
	ctx, cancel := context.WithTimeout(h.store.Life, FeedPatience)
	defer cancel()
	st, err := h.sessions.Look(ctx, ev.Session)
	if err != nil {
		h.store.Log.Warn("could not show an offer; the target's next hello will", "session", ev.Session, "error", err)
		return
	}
	if st.Target == nil || st.Target.ID != chat.IDOf(m.who) {
		return // over already
	}
	var expires *chat.Time
	if ev.Extra.Expires > 0 {
		t := chat.At(ev.Extra.Expires)
		expires = &t
	}
	m.offered(ev.Session, true)
	m.deliver(chat.EventLine("offer", struct {
		Session chat.Session `json:"session"`
		From    string       `json:"from"`
		Note    string       `json:"note"`
		Expires *chat.Time   `json:"expires"`
	}{st.As(m.who), ev.Extra.From, ev.Extra.Note, expires}), "")
}

// reassign takes over an agent's queues and capacity after they were set.
func (h *Hub) reassign(m *member) {
	ctx, cancel := context.WithTimeout(h.store.Life, FeedPatience)
	defer cancel()
	p, err := h.people.Profile(ctx, chat.RoleAgent, chat.IDOf(m.who))
	if err != nil {
		h.store.Log.Warn("could not read an agent's settings", "agent", chat.IDOf(m.who), "error", err)
		return
	}
	for _, c := range m.all() {
		c.assign(p.Queues, p.Capacity)
	}
}
