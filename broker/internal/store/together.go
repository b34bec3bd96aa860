package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"bellhop/scripts"
)

const (
	togetherMost  = 32      // calls that one run takes: it holds Redis up for about as many × 20 µs
	togetherBytes = 1 << 18 // of their arguments, about
)

// Together runs a script for the calls of many callers at once (see scripts/header.go). In each
// partition one run is on its way at a time, and takes all that came meanwhile: the busier it
// is, the less each call costs; where nothing is on its way a call waits for no other.
// Its methods may be called concurrently.
type Together struct {
	store  *Store
	script string
	shared func(p Partition) []string // the keys that all calls of a partition have in common
	lines  []togetherLine             // by partition
}

type togetherLine struct {
	mu      sync.Mutex
	waiting []*joined
	running bool
	alive   bool          // somebody carries out what waits, and is woken where he rests
	wake    chan struct{} // to do so
}

// joined is one of the calls that run together.
type joined struct {
	keys  []string
	args  []any
	bytes int
	reply Reply
	err   error
	done  chan struct{}
}

// settle answers the caller, once.
func (c *joined) settle(r Reply, err error) {
	select {
	case <-c.done:
	default:
		c.reply, c.err = r, err
		close(c.done)
	}
}

// NewTogether is for a store that has been opened.
func NewTogether(s *Store, script string, shared func(p Partition) []string) *Together {
	t := &Together{store: s, script: script, shared: shared, lines: make([]togetherLine, len(s.Parts))}
	for i := range t.lines {
		t.lines[i].wake = make(chan struct{}, 1)
	}
	return t
}

// Run carries out one call; its reply and error are as those of Store.Run. The call
// may be carried out even if its context has ended: its caller does not know then. The
// script's last argument is the span that it publishes, which is not among these.
func (t *Together) Run(ctx context.Context, p Partition, keys []string, args ...any) (Reply, error) {
	s := t.store
	s.Calls.Add(1)
	if s.Emptied.Load() {
		return nil, ErrEmptied
	}
	span := s.traced(ctx, t.script, keys)
	defer span.End()
	args = append(args, span.Carried())
	run := s.scripts[t.script]
	if len(keys) != run.Each.Keys || len(args) != run.Each.Args {
		return nil, fmt.Errorf("script %s: %d keys and %d arguments are given, and each call brings %d and %d", t.script, len(keys), len(args),
			run.Each.Keys, run.Each.Args)
	}
	c := &joined{keys: keys, args: args, done: make(chan struct{})}
	for _, a := range args {
		if text, ok := a.(string); ok {
			c.bytes += len(text)
		}
	}
	line := &t.lines[p.Index]
	line.mu.Lock()
	line.waiting = append(line.waiting, c)
	wake, start := !line.running && line.alive, !line.alive
	line.running, line.alive = true, true
	line.mu.Unlock()
	switch {
	case start:
		s.Tasks.Go(func() { t.serve(run, p, line) })
	case wake:
		line.wake <- struct{}{}
	}
	select {
	case <-c.done:
		return c.reply, failed(span, c.err)
	case <-ctx.Done():
		return nil, failed(span, RedisError(t.script, ctx.Err()))
	}
}

// serve carries out what comes, until the store stops: a goroutine that stays has a stack that has grown.
func (t *Together) serve(run *scripts.Script, p Partition, line *togetherLine) {
	for {
		t.carry(run, p, line)
		select {
		case <-line.wake:
		case <-t.store.Life.Done():
			line.mu.Lock()
			line.alive = false // who comes now starts another
			line.mu.Unlock()
			select {
			case <-line.wake:
				t.carry(run, p, line)
			default:
			}
			return
		}
	}
}

// carry runs what waits in a partition until nothing does.
func (t *Together) carry(run *scripts.Script, p Partition, line *togetherLine) {
	for {
		runtime.Gosched()
		line.mu.Lock()
		n, bytes := 0, 0
		for n < len(line.waiting) && n < togetherMost && (n == 0 || bytes+line.waiting[n].bytes <= togetherBytes) {
			bytes += line.waiting[n].bytes
			n++
		}
		calls := line.waiting[:n:n]
		line.waiting = line.waiting[n:]
		if n == 0 {
			line.waiting, line.running = nil, false
		}
		line.mu.Unlock()
		if n == 0 {
			return
		}
		t.run(run, p, calls)
	}
}

// run carries out calls in one run, and settles each.
func (t *Together) run(run *scripts.Script, p Partition, calls []*joined) {
	s := t.store
	defer func() { // nobody waits for ever for what panicked
		if p := recover(); p != nil {
			s.Panicked(t.script, p)
			for _, c := range calls {
				c.settle(nil, RedisError(t.script, errCutOff))
			}
		}
	}()
	keys, args := t.shared(p), make([]any, 0, len(calls)*run.Each.Args)
	if run.Hooks && s.told != nil {
		keys = append(keys, p.Hooks())
		defer s.told(p)
	}
	for _, c := range calls {
		keys, args = append(keys, c.keys...), append(args, c.args...)
	}
	ctx := context.WithoutCancel(s.Life) // not a caller's, whose end the others would share
	v, err := s.eval(ctx, run, keys, args)
	replies, _ := v.([]any)
	switch {
	case err != nil:
		s.lookAgain(ctx, err)
	case len(replies) != len(calls):
		err = fmt.Errorf("%d replies to %d calls", len(replies), len(calls))
	}
	for i, c := range calls {
		if err != nil {
			c.settle(nil, RedisError(t.script, err))
			continue
		}
		reply, _ := replies[i].([]any)
		t.hand(run, p, c, reply, len(calls) == 1)
	}
}

// hand settles a call with its reply. What a moving slot ended in the middle is run again, by itself.
func (t *Together) hand(run *scripts.Script, p Partition, c *joined, r Reply, alone bool) {
	if r.Str(0) != "error" {
		c.settle(r, nil)
		return
	}
	why := answered(r.Str(1))
	if inTransit(why) && !alone {
		t.store.Tasks.Go(func() { t.run(run, p, []*joined{c}) })
		return
	}
	t.store.meter.fail(why)
	c.settle(nil, RedisError(t.script, why))
}

var errCutOff = errors.New("cut off in the middle")

// answered is an error that Redis gave to one call of many.
type answered string

// Error implements error.
func (a answered) Error() string { return string(a) }

// RedisError says that Redis answered it: see redis.Error.
func (answered) RedisError() {}
