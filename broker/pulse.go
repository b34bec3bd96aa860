package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/broker/internal/people"
	"bellhop/broker/internal/store"
)

const (
	takeRetry = time.Second // what Redis was away for is tried again after this
	takeLimit = 500         // of each kind, a call
	pulseWork = 1000        // taken and not done: take no more of a partition for now
	atOnce    = 256         // pieces of work carried out at a time, of all partitions
)

// pulse is one partition's background work at this node: a loop that takes what
// is due, which is also the node's heartbeat there. Partitions do not wait for
// each other: a server that is away must not make the others' timers late.
type pulse struct {
	b     *Broker
	part  store.Partition
	calls store.Borrower
	books store.Outcomes
	epoch store.Epoch
	quiet people.Silence
	last  time.Time // of the last heartbeat by which silence is judged
	beats int64     // of this node, as Redis told them last
	deaf  bool      // the last call failed

	mending sync.Mutex // one comparison at a time
	placed  string     // the timer for which places have been compared

	working atomic.Int64
	eased   chan struct{} // there is room for more work
}

func newPulse(b *Broker, p store.Partition) *pulse {
	return &pulse{b: b, part: p, quiet: people.Silence{}, eased: make(chan struct{}, 1)}
}

// run looks after the partition until the context ends: once a second, and at
// once again where as much was due as was asked for.
func (p *pulse) run(ctx context.Context) {
	for store.Sleep(ctx, store.Jitter(tickPause)) {
		for p.tick(ctx) {
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = p.take(ctx, 0) // what was done need not be done again
}

// tick takes what is due and begins to do it; it does not wait for that: what is
// slow must not make the next tick late. True where there may be more.
func (p *pulse) tick(ctx context.Context) bool {
	limit := min(takeLimit, pulseWork-int(p.working.Load()))
	if limit <= 0 {
		limit = 0 // a heartbeat only
	}
	t, err := p.take(ctx, limit)
	if err != nil {
		if p.deaf = true; ctx.Err() == nil {
			p.b.store.Log.Warn("nothing taken", "partition", p.part.Index, "error", err)
		}
		return false
	}
	p.look(ctx, t)
	p.work(t)
	return (len(t.timers) == limit || len(t.effects) == limit) && limit > 0 && p.wait(ctx)
}

// wait is for room for more work; a second at most, since the heart must beat.
func (p *pulse) wait(ctx context.Context) bool {
	t := time.NewTimer(tickPause)
	defer t.Stop()
	for p.working.Load() > pulseWork/2 {
		select {
		case <-p.eased:
		case <-t.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// taken is what one call handed to this node.
type taken struct {
	epoch   store.Epoch
	fresh   bool // Redis did not know this node
	lease   string
	timers  []string
	effects []string
	dead    []string
	beats   map[string]int64
}

func (p *pulse) take(ctx context.Context, limit int) (taken, error) {
	call, ack := p.calls.Begin()
	back := p.books.Open()
	k := p.part
	r, err := p.b.store.RunJSON(ctx, "take", []string{k.Timers(), k.Outbox(), k.Nodes(), k.Clearing(), k.Leases(), k.Epoch()}, struct {
		Node  string          `json:"node"`
		Call  int64           `json:"call"`
		Ack   int64           `json:"ack"`
		Limit int             `json:"limit"`
		Lease int64           `json:"lease"` // ms
		Retry int64           `json:"retry"` // ms
		Back  []store.Outcome `json:"back"`
	}{p.b.store.Node, call, ack, limit, store.TakeLease.Milliseconds(), takeRetry.Milliseconds(), back})
	if err != nil {
		return taken{}, err
	}
	p.calls.Heard(call)
	p.books.Told(len(back))
	t := taken{epoch: store.Epoch{Run: r.Str(0), N: r.Num(1), Ticks: r.Num(2)}, fresh: r.Num(3) == 1, lease: r.Str(4), timers: r.Strs(5), effects: r.Strs(6),
		dead: r.Strs(7), beats: map[string]int64{}}
	beats := r.List(8)
	pairs := store.Reply(beats)
	for i := 0; i+1 < len(pairs); i += 2 {
		t.beats[pairs.Str(i)] = pairs.Num(i + 1)
	}
	return t, nil
}

// look sees who else is there, and whether Redis is what it was.
func (p *pulse) look(ctx context.Context, t taken) {
	if p.part.Index == 0 && p.b.store.Emptied.Load() {
		if p.b.store.LookRestored(ctx) {
			p.b.restored(ctx)
		}
	}
	before := p.epoch
	p.epoch = t.epoch
	if before.Fell(t.epoch) {
		p.b.fellBack(ctx, p, before)
	}
	// That it was unknown may have been the answer to a call whose answer was lost.
	if t.fresh || t.beats[p.b.store.Node] <= p.beats || p.deaf {
		p.b.hub.Owe(p.part)
	}
	p.beats, p.deaf = t.beats[p.b.store.Node], false
	if time.Since(p.last) < tickPause/2 {
		return
	}
	p.last = time.Now()
	delete(t.beats, p.b.store.Node)
	for _, node := range p.quiet.Hear(t.beats) {
		p.later(func(ctx context.Context) { p.b.people.Bury(ctx, p.part, node, t.beats[node]) })
	}
}

// work begins what was taken.
func (p *pulse) work(t taken) {
	for _, data := range t.effects {
		w := store.Lent{Work: store.Outbox, Lease: t.lease, Member: data}
		p.later(func(ctx context.Context) { p.books.Add(w, p.b.places.Carry(ctx, data)) })
	}
	for _, timer := range t.timers {
		w := store.Lent{Work: store.Timers, Lease: t.lease, Member: timer}
		p.later(func(ctx context.Context) { p.fire(ctx, w) })
	}
	for _, node := range t.dead {
		w := store.Lent{Work: store.Clearing, Lease: t.lease, Member: node}
		p.later(func(ctx context.Context) {
			err := p.b.people.Clear(ctx, p.part, node)
			if err != nil {
				p.b.store.Log.Warn("dead node not cleared; again in a second", "node", node, "error", err)
			}
			p.books.Add(w, err == nil)
		})
	}
}

// later does a piece of what was taken when there is a place for it, within its lease.
func (p *pulse) later(f func(ctx context.Context)) {
	b := p.b
	p.working.Add(1)
	b.store.Tasks.Go(func() {
		defer func() {
			if p.working.Add(-1) == pulseWork/2 {
				select {
				case p.eased <- struct{}{}:
				default:
				}
			}
		}()
		ctx, cancel := context.WithTimeout(b.store.Life, store.TakeLease)
		defer cancel()
		select {
		case b.working <- struct{}{}:
			defer func() { <-b.working }()
			f(ctx)
		case <-ctx.Done():
		}
	})
}
