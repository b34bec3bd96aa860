package routing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
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
	crews    Crews
	needs    DispatchNeeds

	doubt atomic.Bool // something may not have been heard

	tending sync.Mutex   // what follows is Tend's
	groups  map[int]bool // whose queues are this node's
	shares  bool         // it has asked for groups
	mixed   bool         // nodes of a version before assign
	asked   []asked      // what Redis said has been told
	when    time.Time    // it said so

	mu sync.Mutex
	by map[string]*dispatcher
}

// Crews know the agents of queues.
type Crews interface {
	// Crew gives the agents of a partition who name a queue, with their loads; told is how many
	// presences had been told of in the queue before they were read.
	Crew(ctx context.Context, p store.Partition, queue string, f func(a chat.Profile, load int)) (told int64, err error)
	// Told is how many presences were told in each of some queues, by partition; nil where one does not answer.
	Told(ctx context.Context, queues []string) [][]int64
	// Recount finds out anew who names which queue.
	Recount(ctx context.Context) error
}

// DispatchNeeds is what assigning needs of others.
type DispatchNeeds interface {
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
	Present(told int64, presence, idle string)
	Stir(session string)
	Anew()
}

// NewDispatchers assigns in no queue before Tend.
func NewDispatchers(s *store.Store, settings *Settings, crews Crews, needs DispatchNeeds) *Dispatchers {
	return &Dispatchers{store: s, settings: settings, waiting: Waiting{store: s}, crews: crews, needs: needs, by: map[string]*dispatcher{}}
}

// Tend has a dispatcher for each queue that assigns and is this node's, and no others, and looks for what
// they have not heard. It is called once a second, and where a queue's settings changed.
func (ds *Dispatchers) Tend(ctx context.Context) {
	ds.tending.Lock()
	defer ds.tending.Unlock()
	var queues []string
	for _, q := range ds.settings.All() {
		if q.Routing == "auto" {
			queues = append(queues, q.ID)
		}
	}
	within, cancel := context.WithTimeout(ctx, lookPause) // a server that is away must not make the next call late
	defer cancel()
	queues = ds.mine(within, queues)
	if len(queues) > 0 {
		queues = ds.look(within, queues)
	}
	ds.keep(ctx, queues)
	ds.listen(within)
}

// keep starts and stops dispatchers.
func (ds *Dispatchers) keep(ctx context.Context, queues []string) {
	wanted := make(map[string]bool, len(queues))
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, queue := range queues {
		wanted[queue] = true
		if ds.by[queue] == nil && ctx.Err() == nil {
			ctx, stop := context.WithCancel(ctx)
			d := newDispatcher(ds, queue, stop)
			ds.by[queue] = d
			ds.store.Tasks.Go(func() { d.run(ctx) })
		}
	}
	for queue, d := range ds.by {
		if !wanted[queue] {
			delete(ds.by, queue)
			d.stop()
		}
	}
}

// all are the dispatchers there are.
func (ds *Dispatchers) all() []*dispatcher {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	out := make([]*dispatcher, 0, len(ds.by))
	for _, d := range ds.by {
		out = append(out, d)
	}
	return out
}

// Close lets other nodes assign at once. The loops have been stopped.
func (ds *Dispatchers) Close(ctx context.Context) {
	all := ds.all()
	for _, d := range all {
		<-d.done
	}
	if len(all) > 0 {
		_, _ = ds.share(ctx, 0) // else its time runs out
	}
}
