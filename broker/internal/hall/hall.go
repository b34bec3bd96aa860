package hall

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// resetPause is how often watchers get a queue's whole list, lest a lost event show for ever.
const resetPause = 30 * time.Second

// roomPause is how often those who had no room for a list are looked at again.
const roomPause = 2 * time.Second

// Sessions reads what Redis holds of those that wait.
type Sessions interface {
	// Waiting are all that wait in a queue, in no order.
	Waiting(ctx context.Context, queue string) ([]redis.Z, error)
	// LookAll reads many of those that are in Redis; nil for one that is not.
	LookAll(ctx context.Context, sessions []string) ([]*chat.Snapshot, error)
}

// Hall has a view of each queue that somebody here watches, or waits in. Its methods
// may be called concurrently.
type Hall struct {
	store    *store.Store
	sessions Sessions
	sub      func(store.Partition) *store.Subscriber

	mu      sync.Mutex
	byQueue map[string]*View
	syncing bool             // a resync is under way
	stale   bool             // and another one must follow
	waited  map[string]*View // those users wait in; only who calls Keep touches it
}

// New makes a hall that nobody is in.
func New(s *store.Store, sessions Sessions) *Hall {
	return &Hall{store: s, sessions: sessions, byQueue: map[string]*View{}, waited: map[string]*View{}}
}

// Listen says which subscriber a partition has, before anything else is asked: what it hears of queues goes to Handle.
func (h *Hall) Listen(sub func(store.Partition) *store.Subscriber) { h.sub = sub }

// Start begins its loops.
func (h *Hall) Start() {
	h.store.Loop(resetPause, func(context.Context) { h.Resync() })
	h.store.Loop(roomPause, func(context.Context) { h.show() })
}

// hold finds or makes a queue's view and waits until it is loaded; fresh tells
// that it was read within this call.
func (h *Hall) hold(ctx context.Context, queue string) (v *View, fresh bool, err error) {
	h.mu.Lock()
	v = h.byQueue[queue]
	fresh = v == nil
	if fresh {
		v = &View{h: h, queue: queue, ready: make(chan struct{}), turn: make(chan struct{}, 1), sessions: map[string]*chat.Snapshot{},
			loading: true}
		h.byQueue[queue] = v
	}
	v.users++
	h.mu.Unlock()
	if fresh {
		v.fail = v.open()
		close(v.ready)
	}
	select {
	case <-v.ready:
	case <-ctx.Done():
		h.release(v)
		return nil, false, store.RedisError("watch", ctx.Err())
	}
	if v.fail != nil {
		h.release(v)
		return nil, false, v.fail
	}
	return v, fresh, nil
}

func (h *Hall) release(v *View) {
	h.mu.Lock()
	v.users--
	last := v.users == 0
	if last && h.byQueue[v.queue] == v {
		delete(h.byQueue, v.queue)
	}
	h.mu.Unlock()
	if last && v.fail == nil {
		h.deaf(v.queue, len(h.store.Parts))
	}
}

// deaf ends listening to a queue in the first n partitions.
func (h *Hall) deaf(queue string, n int) {
	for _, p := range h.store.Parts[:n] {
		h.sub(p).Remove(p.Waiting(queue))
	}
}

// Watch shows a queue to c, and lets its events follow until Leave.
func (h *Hall) Watch(ctx context.Context, c chat.QueueWatcher, queue string) (chat.QueueView, error) {
	v, read, err := h.hold(ctx, queue)
	if err != nil {
		return chat.QueueView{}, err
	}
	if !read { // what this node has heard so far may be older than what the caller knows
		err = v.renew(ctx, false)
	}
	if err != nil {
		h.release(v)
		return chat.QueueView{}, err
	}
	shot, fresh := v.join(c)
	if !fresh {
		h.release(v)
	}
	return shot, nil
}

// Leave ends what Watch began, if it did.
func (h *Hall) Leave(c chat.QueueWatcher, queue string) {
	h.mu.Lock()
	v := h.byQueue[queue]
	h.mu.Unlock()
	if v != nil && v.leave(c) {
		h.release(v)
	}
}

// Handle takes what came on a queue's channel.
func (h *Hall) Handle(queue, payload string) {
	h.mu.Lock()
	v := h.byQueue[queue]
	h.mu.Unlock()
	if v != nil {
		v.handle(payload)
	}
}

// resyncAtOnce is how many views are read again at a time: few, so that they take turns with what chat asks of Redis.
const resyncAtOnce = 8

// Resync reads every list again and shows it to its watchers. Where one is under
// way already, that one does it once more.
func (h *Hall) Resync() {
	h.mu.Lock()
	h.stale = true
	if h.syncing {
		h.mu.Unlock()
		return
	}
	h.syncing = true
	for h.stale && h.store.Life.Err() == nil {
		h.stale = false
		all := make([]*View, 0, len(h.byQueue))
		for _, v := range h.byQueue {
			all = append(all, v)
		}
		h.mu.Unlock()
		var g errgroup.Group
		g.SetLimit(resyncAtOnce)
		for _, v := range all {
			g.Go(func() error { v.resync(); return nil })
		}
		_ = g.Wait() // nothing returns an error
		h.mu.Lock()
	}
	h.syncing = false
	h.mu.Unlock()
}

// show gives lists anew to those who had no room for them before.
func (h *Hall) show() {
	h.mu.Lock()
	all := make([]*View, 0, len(h.byQueue))
	for _, v := range h.byQueue {
		all = append(all, v)
	}
	h.mu.Unlock()
	for _, v := range all {
		v.mu.Lock()
		v.show()
		v.mu.Unlock()
	}
}

func (v *View) resync() {
	select {
	case <-v.ready:
	default:
		return // being read for the first time
	}
	if err := v.renew(v.h.store.Life, true); err != nil && v.h.store.Life.Err() == nil {
		v.h.store.Log.Warn("queue not read; again in half a minute", "queue", v.queue, "error", err)
	}
}

// renew makes sure that the list has been read since the call, by the caller or,
// for all who ask meanwhile, by one of them. tell: its watchers get it anew.
func (v *View) renew(ctx context.Context, tell bool) error {
	begun := v.loads.Load()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		return store.RedisError("watch", ctx.Err())
	}
	if v.loads.Load() > begun && !tell && v.sound {
		return nil
	}
	return v.load(ctx, tell)
}
