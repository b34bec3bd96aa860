package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/broker/internal/people"
	"bellhop/broker/internal/store"
)

const (
	beatGap     = tickPause * 7 / 10 // one sooner than that counts as none: it was woken
	missedBeats = 3                  // a node as silent as this does no partition's work for now
	foundDead   = 6                  // one that others took off after so many was dead, and has not stopped
	forgetDead  = 10 * time.Minute
	aloneAfter  = 3 * time.Second // without an answer a node works in every partition: the leases are the safety
)

// heart tells the other nodes that this one is there, once a second and for all partitions
// in one place, and hears who they are. From that follows which partitions this node looks
// after (store.Workers). Each beat also tells what is new of the queues' settings, and which
// partitions have fallen back, as those saw it that look after them.
type heart struct {
	b    *Broker
	does string
	wake chan struct{}

	heeded string // the last change of settings at which the record of partitions was looked at; a repartition makes one

	answered atomic.Int64 // when the last beat was (ns since `began`); 0: none was
	began    time.Time
	mine     atomic.Pointer[[]bool] // by partition

	mu      sync.Mutex
	n       int64             // beats
	lost    bool              // the last one's answer
	counted time.Time         // the last beat by which silence is judged
	alive   map[string]string // what each node said last
	quiet   people.Silence
	dead    map[string]time.Time // since when, by our own count; they are buried in each partition
	workers map[string]string    // those that are not silent, and what they do
	version string               // of epochs
	epochs  map[int]string       // of each partition, as Redis knows it
	saw     map[int]string       // the same as this node saw it, to be told
}

func newHeart(b *Broker) *heart {
	h := &heart{b: b, wake: make(chan struct{}, 1), began: time.Now(), alive: map[string]string{}, quiet: people.Silence{}, dead: map[string]time.Time{},
		epochs: map[int]string{}, saw: map[int]string{}}
	if b.archiver != nil && !b.opt.NoArchiver {
		h.does += "a"
	}
	if b.opt.Hook != nil {
		h.does += "h"
	}
	return h
}

// run beats until the context ends, and at once where others have something new.
func (h *heart) run(ctx context.Context) {
	for {
		t := time.NewTimer(store.Jitter(tickPause))
		select {
		case <-t.C:
		case <-h.wake:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return
		}
		if err := h.beat(ctx, false); err != nil && ctx.Err() == nil {
			h.b.store.Log.Warn("the other nodes are not heard; this one looks after every partition", "error", err)
		}
	}
}

// Wake has it beat at once: something is new.
func (h *heart) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// alone tells that nothing is known of the other nodes now.
func (h *heart) alone() bool {
	at := h.answered.Load()
	return at == 0 || time.Since(h.began)-time.Duration(at) > aloneAfter
}

// works tells whether this node looks after a partition.
func (h *heart) works(p store.Partition) bool {
	mine := h.mine.Load()
	return mine == nil || (*mine)[p.Index] || h.alone()
}

// heard takes over from a partition's list of nodes what is known of them here: those of a version
// that beats in every partition are strangers, and some are dead. More is said of nobody while this node is alone.
func (h *heart) heard(nodes map[string]int64) (strangers map[string]int64, dead []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	strangers = map[string]int64{}
	for node, n := range nodes {
		switch _, alive := h.alive[node]; {
		case !h.dead[node].IsZero():
			dead = append(dead, node)
		case !alive:
			strangers[node] = n
		}
	}
	return strangers, dead
}

// others are the beats of the nodes that are there, but for this one's.
func (h *heart) others() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := maps.Clone(h.alive)
	delete(out, h.b.store.Node)
	return out
}

// looked tells the others of a partition's epoch, where it is not what they know.
func (h *heart) looked(p store.Partition, e store.Epoch) {
	text := fmt.Sprintf("%s|%d", e.Run, e.N)
	h.mu.Lock()
	news := h.epochs[p.Index] != text
	if news {
		h.saw[p.Index] = text
	}
	h.mu.Unlock()
	if news {
		h.Wake()
	}
}

type beatArgs struct {
	Node   string   `json:"node"`
	N      int64    `json:"n"`
	Does   string   `json:"does"`
	Known  string   `json:"known"`
	Saw    []string `json:"saw"`
	Dead   []string `json:"dead"`
	Leaves bool     `json:"leaves,omitempty"`
}

// args are those of the next beat.
func (h *heart) args() beatArgs {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	a := beatArgs{Node: h.b.store.Node, N: h.n, Does: h.does, Known: h.version, Saw: []string{}, Dead: []string{}}
	for i, epoch := range h.saw {
		a.Saw = append(a.Saw, strconv.Itoa(i), epoch)
	}
	for node := range h.dead {
		if said, ok := h.alive[node]; ok {
			a.Dead = append(a.Dead, node, said)
		}
	}
	return a
}

// beat is one heartbeat. Nobody but run calls it, once that runs.
func (h *heart) beat(ctx context.Context, leaves bool) error {
	a, home := h.args(), h.b.store.Parts[0]
	a.Leaves = leaves
	began := time.Since(h.began)
	r, err := h.b.store.RunJSON(ctx, "beat", []string{home.Alive(), home.Epochs(), home.Rules()}, a)
	if err != nil {
		h.mu.Lock()
		h.lost = true
		h.mu.Unlock()
		if !store.IsUnavailable(err) { // what is left of partitions cannot be used
			h.b.lookRenumbered(ctx)
		}
		return err
	}
	if leaves {
		return nil
	}
	fresh := r.Num(0) == 1
	if rules := r.Str(1); (fresh || rules != h.heeded || h.alone()) && h.b.lookRenumbered(ctx) {
		h.heeded = rules
	}
	lost, fallen := h.take(a, r)
	h.answered.Store(max(1, int64(began)))
	if fresh || lost { // in the answer that was lost it may have been unknown
		h.b.announce(h.b.store.Parts...)
	}
	h.b.hear(ctx, fresh, r.Str(1))
	for p, e := range fallen {
		h.b.pulses[p].hear(ctx, e)
	}
	return nil
}

// take notes what a beat was answered; it gives the partitions that have fallen back, so others say.
func (h *heart) take(a beatArgs, r store.Reply) (lost bool, fallen map[int]store.Epoch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost, h.lost = h.lost, false
	for i := 0; i+1 < len(a.Saw); i += 2 {
		if p, _ := strconv.Atoi(a.Saw[i]); h.saw[p] == a.Saw[i+1] {
			delete(h.saw, p)
		}
	}
	fallen = map[int]store.Epoch{}
	epochs := store.Reply(r.List(3))
	for i := 0; i+1 < len(epochs); i += 2 {
		p, err := strconv.Atoi(epochs.Str(i))
		if err != nil || p < 0 || p >= len(h.b.pulses) {
			continue // the version
		}
		text := epochs.Str(i + 1)
		if before := h.epochs[p]; before != "" && before != text {
			run, n, _ := strings.Cut(text, "|")
			e := store.Epoch{Run: run}
			e.N, _ = strconv.ParseInt(n, 10, 64)
			fallen[p] = e
		}
		h.epochs[p] = text
	}
	h.version = r.Str(2)
	alive := map[string]string{}
	list := store.Reply(r.List(4))
	for i := 0; i+1 < len(list); i += 2 {
		alive[list.Str(i)] = list.Str(i + 1)
	}
	h.meet(alive)
	return lost, fallen
}

// meet takes over who is there; mu is held.
func (h *heart) meet(alive map[string]string) {
	self := h.b.store.Node
	for node := range h.alive {
		if alive[node] == "" && h.quiet.Of(node) >= foundDead {
			h.dead[node] = time.Now() // others have counted a little faster
		}
	}
	for node, since := range h.dead {
		if said := alive[node]; said != "" && said != h.alive[node] || time.Since(since) > forgetDead {
			delete(h.dead, node) // it is back, or buried everywhere
		}
	}
	h.alive = alive
	workers, beats := map[string]string{}, map[string]int64{}
	for node, said := range alive {
		n, does, _ := strings.Cut(said, "|")
		beats[node], _ = strconv.ParseInt(n, 10, 64)
		workers[node] = does
	}
	delete(beats, self)
	if time.Since(h.counted) >= beatGap {
		h.counted = time.Now()
		for _, node := range h.quiet.Hear(beats) {
			h.dead[node] = time.Now()
		}
	}
	for node := range workers {
		if node != self && (!h.dead[node].IsZero() || !h.quiet.Lives(node, missedBeats)) {
			delete(workers, node)
		}
	}
	workers[self] = h.does
	if h.mine.Load() != nil && maps.Equal(workers, h.workers) {
		return
	}
	h.workers = workers
	mine := make([]bool, len(h.b.store.Parts))
	for i := range mine {
		mine[i] = slices.Contains(store.Workers(i, workers), self)
	}
	h.mine.Store(&mine)
}

// announce has this node ask in partitions that may not know it.
func (b *Broker) announce(parts ...store.Partition) {
	for _, p := range parts {
		b.pulses[p.Index].announce.Store(true)
	}
}

// hear takes over what a beat told besides of nodes.
func (b *Broker) hear(ctx context.Context, fresh bool, rules string) {
	if b.store.Emptied.Load() {
		if b.store.LookRestored(ctx) {
			b.restored(ctx)
		}
	} else if fresh {
		b.store.LookEmptied(ctx)
	}
	if err := b.settings.Hear(ctx, rules); err != nil && ctx.Err() == nil {
		b.store.Log.Warn("queue settings not read; the last ones hold", "error", err)
	}
}
