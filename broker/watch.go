package broker

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/sessions"
	"bellhop/broker/internal/store"
)

// shown is how much of a list watchers see.
const shown = 200

// view is one queue's waiting list over all partitions, kept by its channels.
type view struct {
	h     *hub
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
	watchers []*Conn
	owed     []*Conn // those who have not got the list anew yet
	loading  bool
	backlog  []string
	weight   int // of it, in bytes
	pace     pace
	crew     map[string]*mate     // the queue's agents; nil unless sessions are assigned here
	stir     func(session string) // called, with v.mu held, when there may be something to assign
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
func (v *view) open() error {
	ctx, cancel := context.WithTimeout(v.h.b.Life, feedPatience)
	defer cancel()
	for i, p := range v.h.parts {
		if err := p.sub.Add(ctx, p.Waiting(v.queue)); err != nil {
			for _, done := range v.h.parts[:i] {
				done.sub.Remove(done.Waiting(v.queue))
			}
			return err
		}
	}
	if err := v.load(ctx, false); err != nil {
		for _, p := range v.h.parts {
			p.sub.Remove(p.Waiting(v.queue))
		}
		return err
	}
	return nil
}

// load reads the whole list; what is published meanwhile is applied after it.
// Whoever calls it has the turn, or the view to itself.
func (v *view) load(ctx context.Context, tell bool) error {
	v.loads.Add(1)
	v.mu.Lock()
	v.loading = true
	assigns := v.crew != nil
	v.mu.Unlock()
	list, states, err := v.h.b.waitingList(ctx, v.queue)
	var crew map[string]*mate
	if err == nil && assigns {
		crew, err = v.h.b.crew(ctx, v.queue)
	}
	v.sound = err == nil
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.list, v.sessions = list, states
		if crew != nil {
			v.crew = crew
		}
		if tell {
			v.owed = slices.Clone(v.watchers)
			v.show()
		}
	}
	v.loading = false
	for _, payload := range v.backlog {
		v.apply(payload)
	}
	if v.weight > maxBacklog { // some were too many to keep
		v.h.b.Tasks.Go(v.h.views.resync)
	}
	v.backlog, v.weight = nil, 0
	v.stirred("")
	return err
}

// waitingCount is how many wait in a queue.
func (b *Broker) waitingCount(ctx context.Context, queue string) (int, error) {
	cmds := make([]*redis.IntCmd, len(b.Parts))
	_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range b.Parts {
			cmds[i] = pipe.ZCard(ctx, p.Waiting(queue))
		}
		return nil
	})
	n := 0
	for _, c := range cmds {
		n += int(c.Val())
	}
	return n, store.RedisError("waiting", err)
}

// waitingList is a queue's list and the sessions at its head.
func (b *Broker) waitingList(ctx context.Context, queue string) ([]waiter, map[string]*chat.Snapshot, error) {
	all, err := b.lines(ctx, queue, -1)
	if err != nil {
		return nil, nil, err
	}
	list := make([]waiter, 0, len(all))
	for _, z := range all {
		id, _ := z.Member.(string)
		list = append(list, waiter{id, z.Score})
	}
	slices.SortFunc(list, waiter.compare)
	head := make([]sessions.Place, 0, shown)
	for _, w := range list[:min(shown, len(list))] {
		head = append(head, sessions.Place{ID: w.id})
	}
	states, err := b.LookAll(ctx, head)
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

func (v *view) handle(payload string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loading {
		if v.weight += len(payload); v.weight <= maxBacklog {
			v.backlog = append(v.backlog, payload)
		}
		return
	}
	v.apply(payload)
}

// apply carries out one event: + session and snapshot, - session and by, P presence. v.mu is held.
func (v *view) apply(payload string) {
	rest := payload[1:]
	switch payload[0] {
	case '+':
		id, snap, _ := strings.Cut(rest, chat.SepField)
		st, err := chat.ParseState(id, snap)
		if err != nil || st == nil {
			v.h.b.Log.Error("unreadable event", "queue", v.queue, "error", err)
			return
		}
		w := waiter{st.ID, st.Score}
		i, found := slices.BinarySearchFunc(v.list, w, waiter.compare)
		if !found {
			v.list = slices.Insert(v.list, i, w)
		}
		v.sessions[st.ID] = st
		v.tell(v.event(map[string]any{"added": st.As("")}))
		v.stirred(st.ID)
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
		v.tell([]byte(`{"event":"presence",` + shown[1:]))
		v.present(shown, idle)
	}
}

func (v *view) event(fields map[string]any) []byte {
	fields["queue"], fields["size"] = v.queue, len(v.list)
	return chat.EventLine("queue", fields)
}

func (v *view) tell(line []byte) {
	for _, c := range v.watchers {
		c.deliver(line)
	}
}

// first are the sessions at the head of the list.
func (v *view) first() []chat.Session {
	out := []chat.Session{}
	for _, w := range v.list[:min(shown, len(v.list))] {
		if st := v.sessions[w.id]; st != nil {
			out = append(out, st.As(""))
		}
	}
	return out
}

// show gives the list anew to those who are owed it and have room for it: many
// queues may have been read again at once, and together be more than a reader
// may be behind. v.mu is held.
func (v *view) show() {
	var line []byte
	v.owed = slices.DeleteFunc(v.owed, func(c *Conn) bool {
		if q, ok := c.sink.(interface{ Waiting() int }); ok && q.Waiting() > chat.PageBytes {
			return false
		}
		if line == nil {
			line = v.reset()
		}
		c.deliver(line)
		return true
	})
}

// reset is the list anew, as much of it as an event holds.
func (v *view) reset() []byte {
	q := []chat.QueueView{{Waiting: v.first(), Size: len(v.list)}}
	chat.Fill(q)
	fields := map[string]any{"reset": q[0].Waiting}
	if q[0].More {
		fields["more"] = true
	}
	return v.event(fields)
}

func (v *view) shot() chat.QueueView {
	q := chat.QueueView{Queue: v.queue, Waiting: v.first(), Size: len(v.list)}
	for _, s := range v.sessions {
		if q.Oldest == nil || s.Created.Before(q.Oldest.Time) {
			at := s.Created
			q.Oldest = &at
		}
	}
	return q
}

// join adds a watcher and gives what it sees now; events follow.
func (v *view) join(c *Conn) chat.QueueView {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers = append(v.watchers, c)
	return v.shot()
}

func (v *view) leave(c *Conn) {
	v.mu.Lock()
	if i := slices.Index(v.watchers, c); i >= 0 {
		v.watchers = slices.Delete(v.watchers, i, i+1)
	}
	v.owed = slices.DeleteFunc(v.owed, func(o *Conn) bool { return o == c })
	v.mu.Unlock()
	v.h.views.release(v)
}

// Watch shows queues, one's own unless named, and lets their events follow.
// A later call adds to what is watched.
func (b *Broker) Watch(ctx context.Context, a chat.Actor, queues []string) ([]chat.QueueView, error) {
	if err := chat.Allow(a, chat.ActWatch); err != nil {
		return nil, err
	}
	c := device(a)
	if c == nil {
		return nil, chat.Errorf(chat.CodeBadRequest, "watch: needs a connection")
	}
	if queues == nil {
		queues = a.Queues
	}
	if len(queues) > chat.MaxQueuesOfOne {
		return nil, chat.Errorf(chat.CodeTooLarge, "queues: at most %d", chat.MaxQueuesOfOne)
	}
	sort.Strings(queues)
	queues = slices.Compact(queues)
	if err := c.mayWatch(queues); err != nil {
		return nil, err
	}
	for _, q := range queues {
		if err := chat.ValidID("queues", q); err != nil {
			return nil, err
		}
		if a.Role != chat.RoleSupervisor && !chat.Contains(a.Queues, q) {
			return nil, chat.Errorf(chat.CodeForbidden, "not of your queues")
		}
	}
	out := []chat.QueueView{}
	for _, q := range queues {
		v, fresh, err := b.hub.views.hold(ctx, q)
		if err != nil {
			return nil, err
		}
		if !fresh { // what this node has heard so far may be older than what the caller knows
			if err := v.renew(ctx, false); err != nil {
				b.hub.views.release(v)
				return nil, err
			}
		}
		out = append(out, c.watches(v))
	}
	chat.Fill(out)
	return out, nil
}

// mayWatch bounds the queues one connection watches.
func (c *Conn) mayWatch(queues []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]bool, len(c.watch)+len(queues))
	for _, v := range c.watch {
		all[v.queue] = true
	}
	for _, q := range queues {
		all[q] = true
	}
	if len(all) > chat.MaxWatched && len(all) > len(c.watch) {
		return &chat.Error{Code: chat.CodeFull, Message: "too many queues watched by one connection", Load: len(c.watch), Capacity: chat.MaxWatched}
	}
	return nil
}

// watches keeps the caller's hold of a view unless the connection has one.
func (c *Conn) watches(v *view) chat.QueueView {
	c.mu.Lock()
	fresh := !c.closed && !slices.Contains(c.watch, v)
	if fresh {
		c.watch = append(c.watch, v)
	}
	c.mu.Unlock()
	if fresh {
		return v.join(c)
	}
	defer v.h.views.release(v)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shot()
}
