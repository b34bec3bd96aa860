package live

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Hub is what this node holds live: the participants connected here, and a
// feed for each session one of them takes part in, by partition. Its methods may
// be called concurrently.
type Hub struct {
	store    *store.Store
	sessions Sessions
	people   People
	presence Presence
	watched  Watched
	line     Line
	base     string // the path below which clients find files
	news     func() // the nodes have something to tell one another

	parts     []*hubPart
	byTag     map[string]*hubPart
	farewells farewells

	resets, lost    atomic.Int64
	delivered       atomic.Int64 // messages, to connections
	gaps, filledGap atomic.Int64 // how often the log told messages, and how many
}

type hubPart struct {
	store.Partition
	h   *Hub
	sub *store.Subscriber

	mu      sync.Mutex
	feeds   map[string]*feed
	members map[string]*member

	owing registrations
}

// NewHub makes the hub of a node that nobody is connected to yet. Base is the path
// below which clients find the files kept here.
func NewHub(s *store.Store, sessions Sessions, people People, presence Presence, watched Watched, line Line, base string) *Hub {
	h := &Hub{store: s, sessions: sessions, people: people, presence: presence, watched: watched, line: line, base: base, byTag: map[string]*hubPart{}}
	for _, p := range s.Parts {
		part := &hubPart{Partition: p, h: h, feeds: map[string]*feed{}, members: map[string]*member{}}
		h.parts = append(h.parts, part)
		h.byTag[p.Tag] = part
	}
	for _, part := range h.parts {
		switch {
		case s.Sharded:
			part.sub = store.NewSubscriber(s, h.handle, func() { h.resync(part) })
		case part.Index == 0:
			part.sub = store.NewSubscriber(s, h.handle, func() { h.resync(h.parts...) })
		default:
			part.sub = h.parts[0].sub
		}
	}
	return h
}

// resync compares what this node holds of partitions with Redis, while their
// subscribers go on delivering.
func (h *Hub) resync(parts ...*hubPart) {
	for _, p := range parts {
		h.store.Tasks.Go(func() { p.resync(h.store.Life) })
	}
	h.store.Tasks.Go(h.watched.Resync)
}

// Close ends what connections are left.
func (h *Hub) Close() {
	for _, m := range h.everybody() {
		for _, c := range m.all() {
			c.sink.Close(chat.CloseGoingAway, "stopping")
		}
	}
}

func (h *Hub) everybody() []*member {
	var out []*member
	for _, p := range h.parts {
		p.mu.Lock()
		for _, m := range p.members {
			out = append(out, m)
		}
		p.mu.Unlock()
	}
	return out
}

// Subscriber is a partition's; what it hears of queues goes to Watched.
func (h *Hub) Subscriber(p store.Partition) *store.Subscriber { return h.parts[p.Index].sub }

// Left tells whether no participant of the partition is connected here.
func (h *Hub) Left(p store.Partition) bool {
	part := h.parts[p.Index]
	part.mu.Lock()
	defer part.mu.Unlock()
	return len(part.members) == 0
}

// ListenTo says who is told that something came on the nodes' own channel, before anything is heard; it must not wait.
func (h *Hub) ListenTo(news func()) { h.news = news }

// handle takes one message off a subscriber.
func (h *Hub) handle(channel, payload string) {
	defer h.store.Caught("an event")
	tag, name, ok := store.Tagged(channel)
	p := h.byTag[tag]
	if !ok || p == nil || payload == "" {
		return
	}
	kind, id, _ := strings.Cut(name, ":")
	switch kind {
	case "s":
		if f := p.feed(id); f != nil {
			f.handle(payload)
		}
	case "profile":
		if m := p.member(id); m != nil {
			defer m.ruined("an event of one's own")
			p.personal(m, payload)
		}
	case "alive":
		h.news()
	case "waiting":
		h.watched.Handle(id, payload)
	}
}

func (p *hubPart) feed(id string) *feed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.feeds[id]
}

func (p *hubPart) member(who string) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[who]
}

// at is the live side of the partition of a participant's id.
func (h *Hub) at(id string) *hubPart { return h.parts[h.store.Home(id).Index] }

// join puts a connection among its participant's, and hears the participant's channel.
func (p *hubPart) join(ctx context.Context, w string, c *Conn) (*member, error) {
	p.mu.Lock()
	m := p.members[w]
	if m == nil {
		m = &member{who: w, part: p, unread: map[string]int64{}}
		p.members[w] = m
	}
	m.add(c)
	p.mu.Unlock()
	if err := p.sub.Add(ctx, p.Profile(w)); err != nil {
		p.drop(m, c)
		return nil, err
	}
	return m, nil
}

// leave is join's opposite; the last connection takes the member with it.
func (p *hubPart) leave(m *member, c *Conn) {
	p.drop(m, c)
	p.sub.Remove(p.Profile(m.who))
}

func (p *hubPart) drop(m *member, c *Conn) {
	p.mu.Lock()
	last := m.remove(c)
	if last && p.members[m.who] == m {
		delete(p.members, m.who)
	}
	p.mu.Unlock()
	if !last {
		return
	}
	for _, s := range m.sessions() {
		if f := p.h.live(s); f != nil {
			f.unseat(m)
		}
	}
}

// live is a session's feed at this node, if there is one.
func (h *Hub) live(session string) *feed {
	p, ok := h.store.Of(session)
	if !ok {
		return nil
	}
	return h.parts[p.Index].feed(session)
}

// hold finds or makes a session's feed, as up to date as Redis is now, or as known, which a
// transition left just now, if that is not nil. Whoever holds it must release it.
func (h *Hub) hold(ctx context.Context, session string, known *chat.Snapshot) (*feed, error) {
	f, fresh, err := h.find(ctx, session, known)
	if err != nil || fresh || f.knows(known) {
		return f, err
	}
	if err := f.refresh(ctx); err != nil {
		h.release(f)
		return nil, err
	}
	return f, nil
}

// find is hold without a look at Redis where there is a feed already.
func (h *Hub) find(ctx context.Context, session string, known *chat.Snapshot) (f *feed, fresh bool, err error) {
	p, ok := h.store.Of(session)
	if ok && !h.store.Known(session) { // in the archive, which tells where it would be
		if _, err := h.sessions.Look(ctx, session); err != nil {
			return nil, false, err
		}
		p, ok = h.store.Of(session)
	}
	if !ok {
		return nil, false, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	part := h.parts[p.Index]
	part.mu.Lock()
	f = part.feeds[session]
	fresh = f == nil
	if fresh {
		f = &feed{h: h, part: part, id: session, seats: map[string]*member{}, busy: true, loaded: make(chan struct{})}
		part.feeds[session] = f
	}
	f.users++
	part.mu.Unlock()
	if fresh {
		f.open(known)
	}
	select {
	case <-f.loaded:
	case <-ctx.Done():
		h.release(f)
		return nil, false, store.RedisError("session", ctx.Err())
	}
	if f.failed != nil {
		h.release(f)
		return nil, false, f.failed
	}
	return f, fresh, nil
}

// release ends a hold; nobody's feed is closed.
func (h *Hub) release(f *feed) {
	f.part.mu.Lock()
	f.users--
	last := f.users == 0
	if last && f.part.feeds[f.id] == f {
		delete(f.part.feeds, f.id)
	}
	f.part.mu.Unlock()
	if last && f.subscribed {
		f.part.sub.Remove(f.part.Session(f.id))
	}
}

// attach lets a member hear a session it takes part in, and gives the session
// as the member sees it; fresh tells whether it did not hear it before. It
// reads Redis, so that what a client was told before it asked is in it; known is as in hold.
func (h *Hub) attach(ctx context.Context, m *member, session string, known *chat.Snapshot) (s chat.Session, fresh bool, err error) {
	f, err := h.hold(ctx, session, known)
	if err != nil {
		return chat.Session{}, false, err
	}
	s, kept := f.seat(m)
	if !kept {
		h.release(f)
	}
	return s, kept, nil
}

// Joined attaches a connection's participant to a session that it takes part in
// now, before it is answered: events flow from then on.
func (h *Hub) Joined(c *Conn, st *chat.Snapshot) {
	if _, in := st.Counts[c.m.who]; in && !c.m.seated(st.ID) {
		h.welcome(c.m, st.ID, st)
	}
}

// welcome attaches a member to a session it has become part of, and shows it; known is as in hold.
func (h *Hub) welcome(m *member, session string, known *chat.Snapshot) {
	ctx, cancel := context.WithTimeout(h.store.Life, FeedPatience)
	defer cancel()
	s, fresh, err := h.attach(ctx, m, session, known)
	if err != nil {
		h.store.Log.Warn("could not attach a participant; its next hello will", "session", session, "error", err)
		return
	}
	if fresh {
		m.deliver(chat.EventLine("session", struct {
			Session chat.Session `json:"session"`
		}{s}), "")
	}
}
