package hall

import "context"

// Probe lets tests of the broker look inside, and break things.
type Probe struct{ h *Hall }

// Probe is for tests.
func (h *Hall) Probe() Probe { return Probe{h} }

// Resyncing tells whether views are being read again.
func (p Probe) Resyncing() bool {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	return p.h.syncing
}

// Show gives lists to those who had no room for them.
func (p Probe) Show() { p.h.show() }

// View is a queue's; nil where nobody watches it.
func (p Probe) View(queue string) *ViewProbe {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	v := p.h.byQueue[queue]
	if v == nil {
		return nil
	}
	return &ViewProbe{v}
}

// ViewProbe is a Probe of one view.
type ViewProbe struct{ v *View }

// Do calls f with the view's lock held.
func (p *ViewProbe) Do(f func()) {
	p.v.mu.Lock()
	defer p.v.mu.Unlock()
	f()
}

// Stall lets events wait, until the next reading.
func (p *ViewProbe) Stall() { p.Do(func() { p.v.loading = true }) }

// Backlog is what waits, and how much has come by the view's own count.
func (p *ViewProbe) Backlog() (payloads []string, weight int) {
	p.Do(func() { payloads, weight = append(payloads, p.v.backlog...), p.v.weight })
	return payloads, weight
}

// Renew reads the list.
func (p *ViewProbe) Renew(ctx context.Context) error { return p.v.renew(ctx, false) }

// Loads is how often it was read.
func (p *ViewProbe) Loads() int64 { return p.v.loads.Load() }

// Hold lets nobody read it until the answer is called.
func (p *ViewProbe) Hold() (release func()) {
	p.v.turn <- struct{}{}
	return func() { <-p.v.turn }
}
