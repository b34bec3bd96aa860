package routing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
)

const (
	dispatchBatch = 1000 // sessions planned for at a time
	dispatchWidth = 64   // agents given sessions at a time
	forgetAfter   = 10 * time.Second
	lookPause     = time.Second // where nothing tells of a change
)

// dispatcher assigns in one queue, while this node is the one that does.
type dispatcher struct {
	*Dispatchers
	queue string
	stop  context.CancelFunc
	done  chan struct{}
	kick  chan struct{} // there may be something to assign

	forgot time.Time   // when it let go of what is long ago
	astray bool        // the list had not the length that Redis said; only Tend looks at it
	lost   atomic.Bool // an event of the list was lost: it is to be read again

	mu   sync.Mutex // taken while the view's is held, never the other way round
	view View       // nil until it follows the queue
	crew crew       // the queue's agents
	// Events that told of agents, counted.
	events int64
	ears   []ear // by partition
	// Readings of the crew: how many were begun, whether one is under way, and whether one has ended.
	readings      int64
	reading, read bool
	failed        time.Time // when one did last
	// For a while: sessions not to be planned for, since they are assigned or gone,
	// and those the bot could not take.
	passed, botted map[string]time.Time
}

func newDispatcher(ds *Dispatchers, queue string, stop context.CancelFunc) *dispatcher {
	d := &dispatcher{Dispatchers: ds, queue: queue, stop: stop, done: make(chan struct{}), kick: make(chan struct{}, 1),
		crew: newCrew(), ears: make([]ear, len(ds.store.Parts)), passed: map[string]time.Time{}, botted: map[string]time.Time{}}
	for i := range d.ears {
		d.ears[i].need = 1
	}
	return d
}

func (d *dispatcher) run(ctx context.Context) {
	defer close(d.done)
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		if d.sees(ctx) {
			for d.round(ctx) {
			}
		}
		select {
		case <-ctx.Done():
			if d.view != nil {
				d.view.Unfollow()
			}
			return
		case <-tick.C:
		case <-d.kick:
		}
	}
}

// sees tells whether its picture of the queue is true, and makes it so where it can.
func (d *dispatcher) sees(ctx context.Context) bool {
	if d.view == nil {
		v, sound, err := d.needs.Follow(ctx, d.queue, d)
		if err != nil {
			return false
		}
		d.mu.Lock()
		d.view = v
		d.mu.Unlock()
		d.lost.Store(!sound)
	}
	if d.lost.Swap(false) && d.view.Renew(ctx) != nil {
		d.lost.Store(true) // again in a second
		return false
	}
	return d.muster(ctx)
}

// size is how long it takes the list to be; -1 where it does not follow it yet.
func (d *dispatcher) size() int {
	d.mu.Lock()
	v := d.view
	d.mu.Unlock()
	if v == nil {
		return -1
	}
	return v.Size()
}

// round plans for those at the head of the line and carries the plan out; true
// if it changed anything, and there may be more to do.
func (d *dispatcher) round(ctx context.Context) bool {
	q := d.settings.Queue(d.queue)
	if ctx.Err() != nil || q.Routing != "auto" || !q.Hours.IsOpen(time.Now()) {
		return false
	}
	d.forget()
	most := d.plannable(q.Bot)
	if most == 0 {
		return false
	}
	waiting, err := d.head(ctx, most)
	if err != nil {
		d.store.Log.Warn("nothing assigned", "queue", d.queue, "error", err)
		return false
	}
	bot, jobs := d.plan(waiting, q.Bot)
	var g errgroup.Group
	g.SetLimit(dispatchWidth)
	var changed atomic.Bool
	give := func(agent string, role chat.Role, list []job) {
		g.Go(func() error {
			for _, j := range list {
				to := Assignment{Session: j.session, Agent: agent, Role: role}
				if role != chat.RoleBot {
					to.Queue, to.Load = d.queue, &j.load
				}
				err := d.needs.Assign(ctx, to)
				if d.learn(agent, role, j, err) {
					changed.Store(true)
				}
				if err != nil && !gone(err) {
					return nil // the rest of its list would fare no better
				}
			}
			return nil
		})
	}
	if len(bot) > 0 {
		give(q.Bot, chat.RoleBot, bot)
	}
	for agent, list := range jobs {
		give(agent, chat.RoleAgent, list)
	}
	_ = g.Wait() // nothing returns an error
	return changed.Load()
}

// Stir has it look again.
func (d *dispatcher) Stir(session string) {
	d.mu.Lock()
	delete(d.passed, session) // it waits again
	d.mu.Unlock()
	d.wake()
}

func (d *dispatcher) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}
