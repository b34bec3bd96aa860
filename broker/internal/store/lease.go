package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Borrower numbers one kind of calls that borrow leased work in one partition,
// so that Redis finds out whose answer never came: see scripts/lib/lease.lua.
type Borrower struct {
	mu        sync.Mutex
	call, ack int64
}

// Begin numbers a call.
func (l *Borrower) Begin() (call, ack int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call++
	return l.call, l.ack
}

// Heard notes that a call's answer came.
func (l *Borrower) Heard(call int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ack = max(l.ack, call)
}

// Lent is one member of leased work that this node has borrowed.
type Lent struct {
	Work   string // the name of its key, as the header of take.lua has it
	Lease  string // its score now
	Member string
}

// Who borrows in a partition's leases, before the node's name.
const (
	takes        = "take|" // what take.lua lends
	ForArchiving = "collect|"
	ForHooks     = "hooks|"
)

// Borrowers are this node's names in a partition's leases.
func (s *Store) Borrowers() []string {
	return []string{takes + s.Node, ForArchiving + s.Node, ForHooks + s.Node}
}

// The work that take.lua lends.
const (
	Timers   = "timers"
	Outbox   = "outbox"
	Clearing = "clearing"
)

// Outcomes is what became of borrowed work and Redis does not know yet: the next
// take tells it, however many takes that needs.
type Outcomes struct {
	mu   sync.Mutex
	open []Outcome
}

// Outcome is what became of one piece: key, lease and member, and 1 where it was not done.
type Outcome [4]any

// Add notes that a piece of work is done, or is to be given back.
func (l *Outcomes) Add(w Lent, done bool) {
	again := 1
	if done {
		again = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, Outcome{w.Work, w.Lease, w.Member, again})
}

// Open gives what to tell; it stays until Told says that it was.
func (l *Outcomes) Open() []Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Outcome{}, l.open...)
}

// Told forgets the first n, which Redis was told of.
func (l *Outcomes) Told(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = l.open[n:]
}

// Done ends work that this node did: of it, nothing is due any more. Lease is the score it
// was lent with, or "" where nobody lent it; what somebody set anew meanwhile stays.
// Keys are those of the script `returned`.
func (s *Store) Done(ctx context.Context, keys []string, lease string, members ...string) error {
	back := make([]any, 1, 1+2*len(members))
	back[0] = lease
	for _, m := range members {
		back = append(back, m, "")
	}
	_, err := s.Run(ctx, "returned", keys, back...)
	return err
}

// doneWithin is how long what is done may wait to be told with more of its kind.
const doneWithin = 300 * time.Millisecond

// endings are pieces of work that are done, by their key, and Redis does not know yet.
type endings struct {
	mu sync.Mutex
	by map[string][]string
}

// DoneSoon is Done of work that this node did at once and nobody lent it, with all else that is done
// within a moment. If this node dies before, the work is done again when it falls due.
func (s *Store) DoneSoon(key string, members ...string) {
	e := &s.ended
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = map[string][]string{}
		s.Tasks.Go(s.tellEnded)
	}
	e.by[key] = append(e.by[key], members...)
}

func (s *Store) tellEnded() {
	Sleep(s.Life, doneWithin) // less where the node stops
	s.ended.mu.Lock()
	by := s.ended.by
	s.ended.by = nil
	s.ended.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Life), doneWithin*10)
	defer cancel()
	for key, members := range by {
		for some := range slices.Chunk(members, 500) {
			if err := s.Done(ctx, []string{key}, "", some...); err != nil {
				s.Log.Warn("what is done will be done again", "key", key, "error", err)
			}
		}
	}
}

// GiveBack ends work that was borrowed and not done: it is due as it was before, at `due` (ms).
func (s *Store) GiveBack(ctx context.Context, keys []string, lease, member, due string) error {
	_, err := s.Run(ctx, "returned", keys, lease, member, due)
	return err
}
