package hall

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/broker/chat"
)

// Shown is how much of a list watchers see.
const Shown = 200

const (
	// patience bounds one reading of a queue.
	patience = 10 * time.Second
	// MaxBacklog is how many bytes of events wait until Redis has been read.
	MaxBacklog = 1 << 20
)

// View is one queue's waiting list over all partitions, kept by its channels.
type View struct {
	h     *Hall
	queue string
	users int // under views.mu
	ready chan struct{}
	fail  error         // set before ready is closed
	turn  chan struct{} // whoever loads has put something in
	loads atomic.Int64  // begun so far
	sound bool          // the last one succeeded; whoever has the turn may look

	mu       sync.Mutex
	list     []waiter // ordered by score, then id
	sessions map[string]*chat.Snapshot
	watchers []chat.QueueWatcher
	owed     []chat.QueueWatcher // those who have not got the list anew yet
	loading  bool
	backlog  []string
	weight   int // of it, in bytes
	pace     pace
	telling  telling
	follower Follower // nil: nobody assigns here
}

// waiter is one place in the list.
type waiter struct {
	id    string
	score float64
}

func (w waiter) compare(o waiter) int {
	return cmp.Or(cmp.Compare(w.score, o.score), strings.Compare(w.id, o.id))
}

// open listens to the queue in every partition, then reads it.
func (v *View) open() error {
	ctx, cancel := context.WithTimeout(v.h.store.Life, patience)
	defer cancel()
	for i, p := range v.h.store.Parts {
		if err := v.h.sub(p).Add(ctx, p.Waiting(v.queue)); err != nil {
			v.h.deaf(v.queue, i)
			return err
		}
	}
	if err := v.load(ctx, false); err != nil {
		v.h.deaf(v.queue, len(v.h.store.Parts))
		return err
	}
	return nil
}

// load reads the whole list; what is published meanwhile is applied after it.
// Whoever calls it has the turn, or the view to itself.
func (v *View) load(ctx context.Context, tell bool) error {
	v.loads.Add(1)
	v.mu.Lock()
	v.loading = true
	v.mu.Unlock()
	list, states, err := v.h.waitingList(ctx, v.queue)
	v.sound = err == nil
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.list, v.sessions = list, states
		if tell {
			v.owed = slices.Clone(v.watchers)
			v.show()
		}
	}
	v.loading = false
	for _, payload := range v.backlog {
		v.apply(payload)
	}
	if v.weight > MaxBacklog { // some were too many to keep
		v.h.store.Tasks.Go(v.h.Resync)
	}
	v.backlog, v.weight = nil, 0
	if v.follower != nil {
		v.follower.Anew()
	}
	return err
}

// waitingList is a queue's list and the sessions at its head.
func (h *Hall) waitingList(ctx context.Context, queue string) ([]waiter, map[string]*chat.Snapshot, error) {
	all, err := h.sessions.Waiting(ctx, queue)
	if err != nil {
		return nil, nil, err
	}
	list := make([]waiter, 0, len(all))
	for _, z := range all {
		id, _ := z.Member.(string)
		list = append(list, waiter{id, z.Score})
	}
	slices.SortFunc(list, waiter.compare)
	head := make([]string, 0, Shown)
	for _, w := range list[:min(Shown, len(list))] {
		head = append(head, w.id)
	}
	states, err := h.sessions.LookAll(ctx, head)
	if err != nil {
		return nil, nil, err
	}
	sessions := make(map[string]*chat.Snapshot, len(states))
	for _, st := range states {
		if st != nil {
			sessions[st.ID] = st
		}
	}
	return list, sessions, nil
}

func (v *View) handle(payload string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loading {
		if v.weight += len(payload); v.weight <= MaxBacklog {
			v.backlog = append(v.backlog, payload)
		}
		return
	}
	v.apply(payload)
}

// apply carries out one event: + session and snapshot, - session and by, P presence. v.mu is held.
func (v *View) apply(payload string) {
	rest := payload[1:]
	switch payload[0] {
	case '+':
		id, snap, _ := strings.Cut(rest, chat.SepField)
		st, err := chat.ParseState(id, snap)
		if err != nil || st == nil {
			v.h.store.Log.Error("unreadable event", "queue", v.queue, "error", err)
			return
		}
		w := waiter{st.ID, st.Score}
		i, found := slices.BinarySearchFunc(v.list, w, waiter.compare)
		if !found {
			v.list = slices.Insert(v.list, i, w)
		}
		v.sessions[st.ID] = st
		v.tell(v.event(map[string]any{"added": st.As("")}))
		v.stir(st.ID)
	case '-':
		id, by, _ := strings.Cut(rest, chat.SepField)
		i := slices.IndexFunc(v.list, func(w waiter) bool { return w.id == id })
		if i >= 0 {
			v.list = slices.Delete(v.list, i, i+1)
			v.pace.note(time.Now())
		}
		delete(v.sessions, id)
		v.tell(v.event(map[string]any{"removed": id, "by": by}))
	case 'P':
		shown, idle, _ := strings.Cut(rest, chat.SepField)
		v.present(shown, idle)
	}
}

func (v *View) event(fields map[string]any) []byte {
	fields["queue"], fields["size"] = v.queue, len(v.list)
	return chat.EventLine("queue", fields)
}

// first are the sessions at the head of the list.
func (v *View) first() []chat.Session {
	out := []chat.Session{}
	for _, w := range v.list[:min(Shown, len(v.list))] {
		if st := v.sessions[w.id]; st != nil {
			out = append(out, st.As(""))
		}
	}
	return out
}

// show gives the list anew to those who are owed it and have room for it: many
// queues may have been read again at once, and together be more than a reader
// may be behind. v.mu is held.
func (v *View) show() {
	if len(v.owed) == 0 {
		return
	}
	v.flush() // what came before
	var line []byte
	v.owed = slices.DeleteFunc(v.owed, func(c chat.QueueWatcher) bool {
		if c.Behind() > chat.PageBytes {
			return false
		}
		if line == nil {
			line = v.reset()
		}
		c.Deliver(line)
		return true
	})
}

// reset is the list anew, as much of it as an event holds.
func (v *View) reset() []byte {
	q := []chat.QueueView{{Waiting: v.first(), Size: len(v.list)}}
	chat.Fill(q)
	fields := map[string]any{"reset": q[0].Waiting}
	if q[0].More {
		fields["more"] = true
	}
	return v.event(fields)
}

func (v *View) shot() chat.QueueView {
	q := chat.QueueView{Queue: v.queue, Waiting: v.first(), Size: len(v.list)}
	for _, s := range v.sessions {
		if q.Oldest == nil || s.Created.Before(q.Oldest.Time) {
			at := s.Created
			q.Oldest = &at
		}
	}
	return q
}

// join adds a watcher, unless it is one, and gives what it sees now; events follow.
func (v *View) join(c chat.QueueWatcher) (q chat.QueueView, fresh bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if fresh = !slices.Contains(v.watchers, c); fresh {
		v.flush() // it sees a list that has had all that
		v.watchers = append(v.watchers, c)
	}
	return v.shot(), fresh
}

// leave is join's opposite; it tells whether that was a watcher.
func (v *View) leave(c chat.QueueWatcher) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.Index(v.watchers, c)
	if i < 0 {
		return false
	}
	v.watchers = slices.Delete(v.watchers, i, i+1)
	v.owed = slices.DeleteFunc(v.owed, func(o chat.QueueWatcher) bool { return o == c })
	return true
}
