package live

import (
	"context"
	"encoding/json"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

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
		f.reread()
	}
	for _, m := range members {
		g.Go(func() error { return p.recheck(ctx, m) })
	}
	if err := g.Wait(); err != nil {
		p.h.store.Log.Warn("resync incomplete; again soon", "partition", p.Index, "error", err)
		if store.Sleep(ctx, store.Jitter(time.Second)) {
			p.h.store.Tasks.Go(func() { p.resync(ctx) })
		}
		return
	}
	p.reassert(ctx)
}

// recheck finds what a member's own channel may have lost.
func (p *hubPart) recheck(ctx context.Context, m *member) error {
	role := chat.RoleUser
	if !m.user() {
		role = chat.RoleAgent
	}
	is, err := p.h.people.Profile(ctx, role, chat.IDOf(m.who))
	if err != nil {
		return err
	}
	for _, c := range m.all() {
		err := p.h.people.Held(ctx, c.Identity())
		if err != nil && chat.AsError(err).Code != chat.CodeUnauthorized {
			return err
		}
		switch {
		case err != nil, c.Identity().Revoked(is.Revoked, is.Generation):
			c.shut(chat.CloseRevoked, "token revoked")
		case is.Disabled || is.Blocked:
			c.shut(chat.CloseRemoved, "removed by an administrator")
		}
		if is.Set {
			c.assign(is.Queues, is.Capacity)
		}
	}
	held := map[string]bool{}
	for _, s := range m.sessions() {
		held[s] = true
	}
	room := chat.NewPage()
	g, err := p.h.gather(ctx, m, &room)
	if err != nil {
		return err
	}
	for i, s := range append(g.open, g.sessions...) {
		if !held[s.ID] {
			held[s.ID] = true
			if i < len(g.open) { // where it had taken part before, and Redis fell back to that, it may hold another log
				m.deliver(resetLine(s.ID), "")
			}
			m.deliver(chat.EventLine("session", struct {
				Session chat.Session `json:"session"`
			}{s}), "")
		}
	}
	for _, s := range m.withdrawn(g.offered) { // its end was lost, or Redis fell back behind it
		m.offerEnded(s, "cancelled")
	}
	for _, s := range g.offers {
		ev := chat.Personal{Session: s.ID}
		if err := json.Unmarshal([]byte(`{"extra":{"kind":"offer"}}`), &ev); err != nil {
			return err
		}
		st, err := p.h.sessions.Look(ctx, s.ID)
		if err != nil {
			return err
		}
		ev.Extra.From, ev.Extra.Note, ev.Extra.Expires = st.Offer.From, st.Offer.Note, st.Offer.Expires
		p.h.offered(m, ev)
	}
	return nil
}

// Compare has all that this node holds of partitions compared with Redis, which fell
// back or was restored, and their connections told to it again.
func (h *Hub) Compare(parts ...store.Partition) {
	list := make([]*hubPart, len(parts))
	for i, p := range parts {
		list[i] = h.parts[p.Index]
		list[i].owe()
	}
	h.resync(list...)
}
