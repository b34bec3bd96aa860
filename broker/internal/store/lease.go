package store

import (
	"strconv"
	"sync"
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

// The kinds of work that take.lua lends, by its KEYS.
const (
	LentTimer  = 1
	LentEffect = 2
	LentDead   = 4
)

// Lent is one member that this node has borrowed.
type Lent struct {
	Kind   int
	Lease  string
	Member string
}

// Outcomes is what became of borrowed work and Redis does not know yet: the next
// take tells it, however many takes that needs.
type Outcomes struct {
	mu         sync.Mutex
	done, back [][3]string
}

// Add notes that a piece of work is done, or is to be given back.
func (l *Outcomes) Add(w Lent, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := [3]string{strconv.Itoa(w.Kind), w.Lease, w.Member}
	if done {
		l.done = append(l.done, line)
	} else {
		l.back = append(l.back, line)
	}
}

// Open gives what to tell; it stays until told says that it was.
func (l *Outcomes) Open() (done, back [][3]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][3]string{}, l.done...), append([][3]string{}, l.back...)
}

// Told forgets as many as Redis was told of.
func (l *Outcomes) Told(done, back int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.back = l.done[done:], l.back[back:]
}
