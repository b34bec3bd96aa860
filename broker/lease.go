package broker

import (
	"strconv"
	"sync"
)

// borrower numbers one kind of calls that borrow leased work in one partition,
// so that Redis finds out whose answer never came: see scripts/lib/lease.lua.
type borrower struct {
	mu        sync.Mutex
	call, ack int64
}

// begin numbers a call.
func (l *borrower) begin() (call, ack int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call++
	return l.call, l.ack
}

// heard notes that a call's answer came.
func (l *borrower) heard(call int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ack = max(l.ack, call)
}

// The kinds of work that take.lua lends, by its KEYS.
const (
	lentTimer  = 1
	lentEffect = 2
	lentDead   = 4
)

// lent is one member that this node has borrowed.
type lent struct {
	kind   int
	lease  string
	member string
}

// outcomes is what became of borrowed work and Redis does not know yet: the next
// take tells it, however many takes that needs.
type outcomes struct {
	mu         sync.Mutex
	done, back [][3]string
}

func (l *outcomes) add(w lent, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := [3]string{strconv.Itoa(w.kind), w.lease, w.member}
	if done {
		l.done = append(l.done, line)
	} else {
		l.back = append(l.back, line)
	}
}

// open gives what to tell; it stays until told says that it was.
func (l *outcomes) open() (done, back [][3]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][3]string{}, l.done...), append([][3]string{}, l.back...)
}

func (l *outcomes) told(done, back int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.back = l.done[done:], l.back[back:]
}
