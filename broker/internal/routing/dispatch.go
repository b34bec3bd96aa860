package routing

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	dispatchLease = 3 * time.Second // after a node died, another assigns in its queues
	dispatchBatch = 1000            // sessions planned for at a time
	dispatchWidth = 64              // agents given sessions at a time
	forgetAfter   = 10 * time.Second
	lookPause     = time.Second // where nothing tells of a change
)

// Dispatchers assign what waits in the queues whose routing is auto: to the
// agent with the least load, then to the longest idle. One node at a time does
// it for a queue, but nothing rests on that: a place is reserved only while the
// agent's load is what the plan thought, so that two plans cannot give one agent
// two sessions where each should have given one.
type Dispatchers struct {
	store    *store.Store
	settings *Settings
	waiting  Waiting
	needs    DispatchNeeds

	mu sync.Mutex
	by map[string]*dispatcher
}

// DispatchNeeds is what assigning needs of others.
type DispatchNeeds interface {
	// EachAgent gives all known agents with their loads.
	EachAgent(ctx context.Context, f func(p chat.Profile, load int)) error
	// LookAll reads many sessions that are in Redis; nil for one that is not.
	LookAll(ctx context.Context, sessions []string) ([]*chat.Snapshot, error)
	// Follow keeps a picture of what waits in a queue, and tells a follower of changes; false
	// where it may not be true yet.
	Follow(ctx context.Context, queue string, f Follower) (View, bool, error)
	// Assign makes an agent a waiting session's owner without asking it.
	Assign(ctx context.Context, j Assignment) error
}

// Assignment is one session for one agent.
type Assignment struct {
	Session string
	Agent   string
	Role    chat.Role // an agent, or the queue's bot
	Queue   string    // if set, the agent must be of it
	Load    *int      // if set, the agent must have no more than that
}

// View is a picture of what waits in a queue.
type View interface {
	Unfollow()
	Size() int
	Renew(ctx context.Context) error
	// Line gives the sessions in their order until f says no; nil for one of which only the id is known.
	Line(f func(session string, st *chat.Snapshot) bool)
}

// Follower hears of changes in a queue.
type Follower interface {
	Read(ctx context.Context) (keep func(), err error)
	Present(presence, idle string)
	Stir(session string)
}

// NewDispatchers assigns in no queue before Tend.
func NewDispatchers(s *store.Store, settings *Settings, needs DispatchNeeds) *Dispatchers {
	return &Dispatchers{store: s, settings: settings, waiting: Waiting{store: s}, needs: needs, by: map[string]*dispatcher{}}
}

// dispatcher assigns in one queue.
type dispatcher struct {
	*Dispatchers
	queue string
	stop  context.CancelFunc
	done  chan struct{}
	kick  chan struct{} // there may be something to assign

	view   View      // while this node is the one
	asked  time.Time // when it made sure of that
	astray bool      // then the list had not the length that Redis says

	mu   sync.Mutex       // taken while the view's is held, never the other way round
	crew map[string]*mate // the queue's agents
	// For a while: sessions not to be planned for, since they are assigned or gone,
	// and those the bot could not take.
	passed, botted map[string]time.Time
}

// Tend has a dispatcher for each queue that assigns, and no others.
func (ds *Dispatchers) Tend(ctx context.Context) {
	auto := map[string]bool{}
	for _, q := range ds.settings.All() {
		auto[q.ID] = q.Routing == "auto"
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for id := range auto {
		if auto[id] && ds.by[id] == nil && ctx.Err() == nil {
			ctx, stop := context.WithCancel(ctx)
			d := &dispatcher{Dispatchers: ds, queue: id, stop: stop, done: make(chan struct{}), kick: make(chan struct{}, 1),
				passed: map[string]time.Time{}, botted: map[string]time.Time{}}
			ds.by[id] = d
			ds.store.Tasks.Go(func() { d.run(ctx) })
		}
	}
	for id, d := range ds.by {
		if !auto[id] {
			delete(ds.by, id)
			d.stop()
		}
	}
}

// Close lets other nodes assign at once. The loops have been stopped.
func (ds *Dispatchers) Close(ctx context.Context) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.by {
		<-d.done
		if d.view != nil {
			_, _ = d.store.Run(ctx, "hold", []string{d.store.Home(d.queue).Dispatch(d.queue)}, d.store.Node, 0) // else its lease runs out
		}
	}
}

func (d *dispatcher) run(ctx context.Context) {
	defer close(d.done)
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		if d.holds(ctx) {
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

// holds tells whether this node is the one that assigns; its picture of the queue is true then.
func (d *dispatcher) holds(ctx context.Context) bool {
	if d.view != nil && time.Since(d.asked) < dispatchLease/3 {
		return true
	}
	d.asked = time.Now()
	key := d.store.Home(d.queue).Dispatch(d.queue)
	r, err := d.store.Run(ctx, "hold", []string{key}, d.store.Node, dispatchLease.Milliseconds())
	if err != nil || r.Num(0) != 1 {
		if d.view != nil {
			d.view.Unfollow()
			d.view = nil
		}
		return false
	}
	if d.view == nil {
		d.mu.Lock()
		d.crew = map[string]*mate{}
		d.mu.Unlock()
		v, sound, err := d.needs.Follow(ctx, d.queue, d)
		if err != nil {
			return false
		}
		d.view = v
		return sound
	}
	return d.fresh(ctx)
}

// fresh reads the queue again where an event must have been lost: the list is
// not as long as it should be, twice in a row.
func (d *dispatcher) fresh(ctx context.Context) bool {
	n, err := d.waiting.Count(ctx, d.queue)
	if err != nil {
		return false
	}
	before := d.astray
	d.astray = n != d.view.Size()
	return !(before && d.astray) || d.view.Renew(ctx) == nil
}

// job is one session for one agent, whose load must be no more than load.
type job struct {
	session string
	load    int
}

// round plans for those at the head of the line and carries the plan out; true
// if it changed anything, and there may be more to do.
func (d *dispatcher) round(ctx context.Context) bool {
	q := d.settings.Queue(d.queue)
	if ctx.Err() != nil || q.Routing != "auto" || !q.Hours.IsOpen(time.Now()) {
		return false
	}
	waiting, err := d.head(ctx)
	if err != nil {
		d.store.Log.Warn("nothing assigned", "queue", d.queue, "error", err)
		return false
	}
	bot, jobs := d.plan(waiting, q.Bot)
	var g errgroup.Group
	g.SetLimit(dispatchWidth)
	var mu sync.Mutex
	var changed bool
	give := func(agent string, role chat.Role, list []job) {
		g.Go(func() error {
			for _, j := range list {
				to := Assignment{Session: j.session, Agent: agent, Role: role}
				if role != chat.RoleBot {
					to.Queue, to.Load = d.queue, &j.load
				}
				err := d.needs.Assign(ctx, to)
				mu.Lock()
				more := d.learn(agent, role, j, err)
				changed = changed || more
				mu.Unlock()
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
	return changed
}

func forget(m map[string]time.Time) {
	for id, at := range m {
		if time.Since(at) > forgetAfter {
			delete(m, id)
		}
	}
}

// head are those first in line, with what is known of them.
func (d *dispatcher) head(ctx context.Context) ([]*chat.Snapshot, error) {
	var out []*chat.Snapshot
	var missing []string
	d.mu.Lock()
	forget(d.passed)
	forget(d.botted)
	d.mu.Unlock()
	d.view.Line(func(session string, st *chat.Snapshot) bool {
		d.mu.Lock()
		_, passed := d.passed[session]
		d.mu.Unlock()
		if passed {
			return true
		}
		if st == nil {
			missing = append(missing, session)
			st = &chat.Snapshot{Session: chat.Session{ID: session}}
		}
		out = append(out, st)
		return len(out) < dispatchBatch
	})
	read, err := d.needs.LookAll(ctx, missing)
	if err != nil {
		return nil, err
	}
	found := map[string]*chat.Snapshot{}
	for _, st := range read {
		if st != nil {
			found[st.ID] = st
		}
	}
	for i, st := range out {
		if st.User.ID == "" && found[st.ID] != nil {
			out[i] = found[st.ID]
		}
	}
	return out, nil
}

// plan says who gets what, in which order. The bot gets what it has not been
// tried with, a user's last agent its session, the others go by load.
func (d *dispatcher) plan(waiting []*chat.Snapshot, botID string) (bot []job, jobs map[string][]job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var free mates
	byID := map[string]*mate{}
	for _, m := range d.crew {
		if m.room() && m.id != botID {
			c := *m
			free.list, byID[m.id] = append(free.list, &c), &c
		}
	}
	free.init()
	jobs = map[string][]job{}
	for _, st := range waiting {
		if _, tried := d.botted[st.ID]; st.BotFirst && botID != "" && !tried {
			bot = append(bot, job{session: st.ID})
			continue
		}
		m := byID[st.Sticky]
		if m == nil || !m.room() {
			if len(free.list) == 0 {
				continue
			}
			m = free.list[0]
		}
		jobs[m.id] = append(jobs[m.id], job{st.ID, m.load})
		m.load++
		m.idle = time.Now().UnixMilli()
		free.changed(m)
	}
	return bot, jobs
}

// learn takes over what came of one job; true if the next plan may do better.
func (d *dispatcher) learn(agent string, role chat.Role, j job, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.crew[agent]
	now := time.Now()
	var e *chat.Error
	switch {
	case err == nil:
		d.passed[j.session] = now
		if m != nil && role != chat.RoleBot {
			m.load, m.idle = max(m.load, j.load+1), now.UnixMilli()
		}
		return true
	case gone(err):
		d.passed[j.session] = now
		return true
	case role == chat.RoleBot:
		d.botted[j.session] = now
		return true
	case errors.As(err, &e) && e.Code == chat.CodeFull && m != nil:
		m.load, m.capacity = e.Load, e.Capacity
		return true
	case errors.As(err, &e) && (e.Code == chat.CodeNoAgent || e.Code == chat.CodeForbidden):
		delete(d.crew, agent) // its next presence brings it back
		return true
	}
	d.store.Log.Warn("session not assigned; again in a second", "session", j.session, "agent", agent, "error", err)
	return false
}

// gone tells whether an error says that the session waits no more.
func gone(err error) bool {
	if err == nil {
		return false
	}
	switch chat.AsError(err).Code {
	case chat.CodeTaken, chat.CodeEnded, chat.CodeNotFound:
		return true
	}
	return false
}

// mates is a heap of agents with room, the next to get a session first.
type mates struct {
	list []*mate
	at   map[string]int
}

func (h *mates) init() {
	h.at = make(map[string]int, len(h.list))
	for i, m := range h.list {
		h.at[m.id] = i
	}
	heap.Init(h)
}

// changed puts an agent in its new place, or takes out one that has no more room.
func (h *mates) changed(m *mate) {
	if i, ok := h.at[m.id]; ok {
		if m.room() {
			heap.Fix(h, i)
		} else {
			heap.Remove(h, i)
		}
	}
}

func (h *mates) Len() int           { return len(h.list) }
func (h *mates) Less(i, j int) bool { return h.list[i].compare(h.list[j]) < 0 }
func (h *mates) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.at[h.list[i].id], h.at[h.list[j].id] = i, j
}

// Push is heap.Interface's; nothing is ever added.
func (h *mates) Push(any) {}

// Pop takes the last out.
func (h *mates) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	delete(h.at, last.id)
	return last
}
