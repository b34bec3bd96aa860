package live

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// resetPause is how often watchers get a queue's whole list, lest a lost event show for ever.
const resetPause = 30 * time.Second

// views are the queues somebody here watches, or waits in.
type views struct {
	h       *Hub
	mu      sync.Mutex
	byQueue map[string]*View
	syncing bool             // a resync is under way
	stale   bool             // and another one must follow
	waited  map[string]*View // those users wait in; only the positions loop touches it
}

func (vs *views) init(h *Hub) {
	vs.h, vs.byQueue, vs.waited = h, map[string]*View{}, map[string]*View{}
}

// hold finds or makes a queue's view and waits until it is loaded; fresh tells
// that it was read within this call.
func (vs *views) hold(ctx context.Context, queue string) (v *View, fresh bool, err error) {
	vs.mu.Lock()
	v = vs.byQueue[queue]
	fresh = v == nil
	if fresh {
		v = &View{h: vs.h, queue: queue, ready: make(chan struct{}), turn: make(chan struct{}, 1), sessions: map[string]*chat.Snapshot{},
			loading: true}
		vs.byQueue[queue] = v
	}
	v.users++
	vs.mu.Unlock()
	if fresh {
		v.fail = v.open()
		close(v.ready)
	}
	select {
	case <-v.ready:
	case <-ctx.Done():
		vs.release(v)
		return nil, false, store.RedisError("watch", ctx.Err())
	}
	if v.fail != nil {
		vs.release(v)
		return nil, false, v.fail
	}
	return v, fresh, nil
}

func (vs *views) release(v *View) {
	vs.mu.Lock()
	v.users--
	last := v.users == 0
	if last && vs.byQueue[v.queue] == v {
		delete(vs.byQueue, v.queue)
	}
	vs.mu.Unlock()
	if last && v.fail == nil {
		for _, p := range vs.h.parts {
			p.sub.Remove(p.Waiting(v.queue))
		}
	}
}

func (vs *views) handle(queue, payload string) {
	vs.mu.Lock()
	v := vs.byQueue[queue]
	vs.mu.Unlock()
	if v != nil {
		v.handle(payload)
	}
}

// resyncAtOnce is how many views are read again at a time: few, so that they take turns with what chat asks of Redis.
const resyncAtOnce = 8

// resync reads every list again and shows it to its watchers. Where one is under
// way already, that one does it once more.
func (vs *views) resync() {
	vs.mu.Lock()
	vs.stale = true
	if vs.syncing {
		vs.mu.Unlock()
		return
	}
	vs.syncing = true
	for vs.stale && vs.h.store.Life.Err() == nil {
		vs.stale = false
		all := make([]*View, 0, len(vs.byQueue))
		for _, v := range vs.byQueue {
			all = append(all, v)
		}
		vs.mu.Unlock()
		var g errgroup.Group
		g.SetLimit(resyncAtOnce)
		for _, v := range all {
			g.Go(func() error { v.resync(); return nil })
		}
		_ = g.Wait() // nothing returns an error
		vs.mu.Lock()
	}
	vs.syncing = false
	vs.mu.Unlock()
}

// show gives lists anew to those who had no room for them before.
func (vs *views) show() {
	vs.mu.Lock()
	all := make([]*View, 0, len(vs.byQueue))
	for _, v := range vs.byQueue {
		all = append(all, v)
	}
	vs.mu.Unlock()
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
	ctx, cancel := context.WithTimeout(ctx, FeedPatience)
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
