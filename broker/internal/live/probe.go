package live

import (
	"context"
)

// Probe lets tests of a whole broker look into its hub, and disturb it as losses
// and slow servers do. Nothing else uses it.
type Probe struct{ h *Hub }

// Probe is for tests.
func (h *Hub) Probe() Probe { return Probe{h} }

// Cut closes the connection that hears a session's channel.
func (p Probe) Cut(session string) {
	part, _ := p.h.store.Of(session)
	p.h.parts[part.Index].sub.Cut()
}

// Channels is how many channels are heard with those of a participant.
func (p Probe) Channels(id string) int { return p.h.at(id).sub.Channels() }

// Resync compares what is held of a participant's partition with Redis.
func (p Probe) Resync(ctx context.Context, id string) { p.h.at(id).resync(ctx) }

// Here tells whether a participant is connected.
func (p Probe) Here(who string) bool {
	for _, m := range p.h.everybody() {
		if m.who == who {
			return m.alive()
		}
	}
	return false
}

// Register tells Redis of a connection once more, as if for the first time; replaced:
// another one of its device came after it.
func (p Probe) Register(ctx context.Context, c *Conn) (replaced bool, err error) {
	return p.h.register(ctx, c, false)
}

// Unseen has a connection watch so many sessions, of which there is none.
func (p Probe) Unseen(c *Conn, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = make([]*feed, n)
}

// Feed is a session's; nil where there is none.
func (p Probe) Feed(session string) *FeedProbe {
	f := p.h.live(session)
	if f == nil {
		return nil
	}
	return &FeedProbe{f}
}

// FeedProbe is a Probe of one feed.
type FeedProbe struct{ f *feed }

// Idle tells whether nothing waits and nothing is being read.
func (p *FeedProbe) Idle() bool {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	return !p.f.busy && len(p.f.backlog) == 0
}

// Reread has Redis compared with what was delivered.
func (p *FeedProbe) Reread() { p.f.reread() }

// Deafen has Redis publish the session's events to others only.
func (p *FeedProbe) Deafen(ctx context.Context) error {
	return p.f.part.sub.Silence(ctx, p.f.part.Session(p.f.id))
}

// Stall lets events wait, until Fill.
func (p *FeedProbe) Stall() {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.f.busy = true
}

// Fill reads what is missing, and goes on.
func (p *FeedProbe) Fill() { p.f.fill() }

// Backlog is what waits, how much of it by the feed's own count, and whether it was
// too much, so that Redis is read once more.
func (p *FeedProbe) Backlog() (payloads []string, weight int, again bool) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	return append([]string{}, p.f.backlog...), p.f.weight, p.f.again
}
