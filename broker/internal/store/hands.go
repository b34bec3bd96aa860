package store

import (
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	handful = 128                  // messages that wait for one hand; then the connection waits
	atHand  = 5 * time.Microsecond // a message that took less to come had come already
)

// hands carry out what subscribers receive, as many as there are processors: what comes faster than
// one can look at it. A partition's messages go to one hand, so they stay in order. What comes
// singly is carried out where it was received: that is sooner, and costs less.
type hands struct {
	s     *Store
	once  sync.Once
	seed  maphash.Seed
	queue []chan handed
}

// handed is one message on its way, or, without do, the news that all before it are carried out.
type handed struct {
	do               func(channel, payload string)
	channel, payload string
	left             *atomic.Int64
	done             chan struct{}
}

func newHands(s *Store) *hands {
	return &hands{s: s, seed: maphash.MakeSeed(), queue: make([]chan handed, runtime.GOMAXPROCS(0))}
}

// start has the hands at work; most nodes never need them.
func (h *hands) start() {
	for i := range h.queue {
		h.queue[i] = make(chan handed, handful)
		h.s.Tasks.Go(func() {
			for {
				select {
				case m := <-h.queue[i]:
					if m.do == nil {
						close(m.done)
						continue
					}
					m.do(m.channel, m.payload)
					m.left.Add(-1)
				case <-h.s.Life.Done():
					return
				}
			}
		})
	}
}

// holder is one receiver's hold of the hands; one goroutine calls it.
type holder struct {
	h    *hands
	do   func(channel, payload string)
	left []atomic.Int64 // messages handed over and not carried out, by hand
}

func newHolder(h *hands, do func(channel, payload string)) *holder {
	return &holder{h: h, do: do, left: make([]atomic.Int64, len(h.queue))}
}

// take carries a message out, or has it carried out after those before it in its partition. more: others
// wait already.
func (l *holder) take(channel, payload string, more bool) {
	i := l.of(channel)
	if len(l.left) == 1 || !more && l.left[i].Load() == 0 {
		l.do(channel, payload)
		return
	}
	l.h.once.Do(l.h.start)
	l.left[i].Add(1)
	l.hand(i, handed{do: l.do, channel: channel, payload: payload, left: &l.left[i]})
}

func (l *holder) of(channel string) int {
	tag, _, _ := Tagged(channel)
	return int(maphash.String(l.h.seed, tag) % uint64(len(l.left))) //nolint:gosec // less than there are hands
}

// settle waits until all that was taken has been carried out.
func (l *holder) settle() {
	for i := range l.left {
		if l.left[i].Load() == 0 {
			continue
		}
		done := make(chan struct{})
		l.hand(i, handed{done: done})
		select {
		case <-done:
		case <-l.h.s.Life.Done():
		}
	}
}

func (l *holder) hand(i int, m handed) {
	select {
	case l.h.queue[i] <- m:
	case <-l.h.s.Life.Done():
	}
}
