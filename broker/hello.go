package broker

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// lately is how long an ended session stays in hello.
const lately = time.Hour

// hello attaches a new connection to its sessions and makes its first event.
func (b *Broker) hello(ctx context.Context, c *Conn) ([]byte, error) {
	sessions, offers, err := b.gather(ctx, c.m)
	if err != nil {
		return nil, err
	}
	id := c.Identity()
	var unread int64
	for _, s := range sessions {
		unread += s.Unread
	}
	return eventLine("hello", struct {
		Connection string    `json:"connection"`
		Me         me        `json:"me"`
		Server     string    `json:"server"`
		Heartbeat  int       `json:"heartbeat"` // seconds between the server's pings
		Sessions   []Session `json:"sessions"`
		Unread     int64     `json:"unread"`
		Offers     []Session `json:"offers"`
	}{c.id, newMe(id), b.node, 25, sessions, unread, offers}), nil
}

// me is an identity as its own client sees it.
type me struct {
	Person
	Role     Role     `json:"role"`
	Queues   []string `json:"queues,omitempty"`
	Capacity int      `json:"capacity,omitempty"`
	Expires  *Time    `json:"expires,omitempty"`
}

func newMe(id Identity) me {
	m := me{Person: id.Person(), Role: id.Role}
	if id.Role.Staff() {
		m.Queues, m.Capacity = id.Queues, id.Capacity
	}
	if !id.Expires.IsZero() {
		m.Expires = &Time{id.Expires}
	}
	return m
}

// gather attaches a member to all its sessions: the open ones and those that
// ended lately. Offers are those made to it and still open.
func (b *Broker) gather(ctx context.Context, m *member) (sessions, offers []Session, err error) {
	ids, err := b.current(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	found := make([]*Session, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, id := range ids {
		g.Go(func() error {
			s, _, err := b.hub.attach(gctx, m, id)
			if errors.Is(err, &Error{Code: CodeNotFound}) {
				return nil
			}
			if err == nil {
				found[i] = &s
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	sessions, offers = []Session{}, []Session{}
	for _, s := range found {
		if s == nil {
			continue
		}
		if m.seated(s.ID) {
			if s.Ended == nil || time.Since(s.Ended.Time) < lately {
				sessions = append(sessions, *s)
			} else if f := b.hub.live(s.ID); f != nil {
				f.unseat(m)
			}
		}
		if !m.user() && s.Target != nil && s.Target.ID == idOf(m.who) {
			offers = append(offers, *s)
		}
	}
	return sessions, offers, nil
}

func (m *member) seated(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.unread[session]
	return ok
}

// current lists the ids of what a member may have to do with now.
func (b *Broker) current(ctx context.Context, m *member) ([]string, error) {
	id := idOf(m.who)
	p := b.home(id)
	if m.user() {
		// All that Redis has: the open ones, and those that ended not long ago.
		ids, err := b.pipe.ZRange(ctx, p.listed(m.who), 0, -1).Result()
		return ids, redisError("listed", err)
	}
	live, err := b.pipe.HGetAll(ctx, p.mine(m.who)).Result()
	if err != nil {
		return nil, redisError("mine", err)
	}
	var ids, old []string
	cut := time.Now().Add(-lately).UnixMilli()
	for s, value := range live { // rev|role|over
		parts := strings.Split(value, "|")
		over, _ := strconv.ParseInt(parts[len(parts)-1], 10, 64)
		switch {
		case over > 0 && over < cut:
			old = append(old, s)
		case len(parts) == 3 && parts[1] != "none" && parts[1] != "past":
			ids = append(ids, s)
		}
	}
	if len(old) > 0 {
		if err := b.pipe.HDel(ctx, p.mine(m.who), old...).Err(); err != nil {
			return nil, redisError("mine", err)
		}
	}
	return ids, nil
}

// personal takes an event off a participant's own channel.
func (p *hubPart) personal(m *member, payload string) {
	var ev personal
	if err := json.Unmarshal([]byte(payload), &ev); err != nil {
		p.h.b.log.Error("unreadable event", "participant", m.who, "error", err)
		return
	}
	for _, c := range m.all() {
		id := c.Identity()
		switch ev.Kind {
		case "replaced":
			if c.id == ev.Conn {
				c.shut(CloseReplaced, "replaced by another connection of this device")
			}
		case "revoked":
			if (ev.Token != "" && id.TokenID == ev.Token) || ev.Before > 0 && id.revoked(ev.Before, ev.Generation) {
				c.shut(CloseRevoked, "token revoked")
			}
		case "removed":
			c.shut(CloseRemoved, "removed by an administrator")
		}
	}
	switch ev.Kind {
	case "mine":
		p.h.b.wg.Go(func() { p.h.mine(m, ev) })
	case "settings":
		p.h.b.wg.Go(func() { p.h.reassign(m) })
	}
}

// mine shows a participant what changed between it and a session.
func (h *hub) mine(m *member, ev personal) {
	switch {
	case ev.Extra != nil && ev.Extra.Kind == "offer":
		h.offered(m, ev)
	case ev.Extra != nil && ev.Extra.Kind == "offer-ended":
		m.deliver(eventLine("offer-ended", struct {
			Session string `json:"session"`
			Outcome string `json:"outcome"`
		}{ev.Session, ev.Extra.Outcome}), "")
	}
	if ev.Role == "" || ev.Role == "owner" || ev.Role == "assistant" {
		if !m.seated(ev.Session) {
			h.welcome(m, ev.Session)
		}
	}
}

func (h *hub) offered(m *member, ev personal) {
	ctx, cancel := context.WithTimeout(h.b.ctx, feedPatience)
	defer cancel()
	st, err := h.b.look(ctx, ev.Session)
	if err != nil {
		h.b.log.Warn("could not show an offer; the target's next hello will", "session", ev.Session, "error", err)
		return
	}
	if st.Target == nil || st.Target.ID != idOf(m.who) {
		return // over already
	}
	var expires *Time
	if ev.Extra.Expires > 0 {
		t := At(ev.Extra.Expires)
		expires = &t
	}
	m.deliver(eventLine("offer", struct {
		Session Session `json:"session"`
		From    string  `json:"from"`
		Note    string  `json:"note"`
		Expires *Time   `json:"expires"`
	}{st.as(m.who), ev.Extra.From, ev.Extra.Note, expires}), "")
}

// reassign takes over an agent's queues and capacity after they were set.
func (h *hub) reassign(m *member) {
	ctx, cancel := context.WithTimeout(h.b.ctx, feedPatience)
	defer cancel()
	p, err := h.b.profile(ctx, RoleAgent, idOf(m.who))
	if err != nil {
		h.b.log.Warn("could not read an agent's settings", "agent", idOf(m.who), "error", err)
		return
	}
	for _, c := range m.all() {
		c.assign(encode(p.queues), p.capacity)
	}
}

// resync is for a partition whose channels were not heard for a while: all
// that may have been lost is read again.
func (p *hubPart) resync(ctx context.Context) {
	p.mu.Lock()
	feeds, members := make([]*feed, 0, len(p.feeds)), make([]*member, 0, len(p.members))
	for _, f := range p.feeds {
		feeds = append(feeds, f)
	}
	for _, m := range p.members {
		members = append(members, m)
	}
	p.mu.Unlock()
	g := errgroup.Group{}
	g.SetLimit(64)
	for _, f := range feeds {
		g.Go(func() error {
			f.mu.Lock()
			if !f.busy {
				f.busy = true
				p.h.b.wg.Go(f.fill)
			}
			f.mu.Unlock()
			return nil
		})
	}
	for _, m := range members {
		g.Go(func() error { return p.recheck(ctx, m) })
	}
	if err := g.Wait(); err != nil {
		p.h.b.log.Warn("resync incomplete", "partition", p.index, "error", err)
	}
}

// recheck finds what a member's own channel may have lost.
func (p *hubPart) recheck(ctx context.Context, m *member) error {
	role := RoleUser
	if !m.user() {
		role = RoleAgent
	}
	prof, err := p.h.b.profile(ctx, role, idOf(m.who))
	if err != nil {
		return err
	}
	for _, c := range m.all() {
		err := p.h.b.held(ctx, c.Identity())
		if err != nil && AsError(err).Code != CodeUnauthorized {
			return err
		}
		switch {
		case err != nil, c.Identity().revoked(prof.revoked, prof.generation):
			c.shut(CloseRevoked, "token revoked")
		case prof.disabled || prof.blocked:
			c.shut(CloseRemoved, "removed by an administrator")
		}
		if prof.set {
			c.assign(encode(prof.queues), prof.capacity)
		}
	}
	held := map[string]bool{}
	for _, s := range m.sessions() {
		held[s] = true
	}
	sessions, offers, err := p.h.b.gather(ctx, m)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if !held[s.ID] {
			m.deliver(eventLine("session", struct {
				Session Session `json:"session"`
			}{s}), "")
		}
	}
	for _, s := range offers {
		ev := personal{Session: s.ID}
		if err := json.Unmarshal([]byte(`{"extra":{"kind":"offer"}}`), &ev); err != nil {
			return err
		}
		st, err := p.h.b.look(ctx, s.ID)
		if err != nil {
			return err
		}
		ev.Extra.From, ev.Extra.Note, ev.Extra.Expires = st.offer.from, st.offer.note, st.offer.expires
		p.h.offered(m, ev)
	}
	return nil
}
