package archiving

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"bellhop/broker/internal/store"
)

const (
	gentleLimit  = 8                      // sessions of each partition at a time, while much is said
	gentleAtOnce = 8                      // scripts of any kind, likewise: sends wait behind them
	markAtOnce   = 256                    // scripts that tell Redis what is archived, else
	longestDelay = 5 * time.Second        // a session's changes are gathered at most, while much is said
	tooLate      = 2 * longestDelay       // from here on all goes as fast as it can
	paceOver     = 10 * time.Second       // how much is said is measured over this long
	easyRate     = 500                    // messages a second that are archived as soon as one alone
	longestPause = 300 * time.Millisecond // between two turns of which the first left something
)

// pace says how soon what changes is archived. What a session costs each time is
// the same for one message and for fifty, so the more there are, the longer its
// changes are gathered; and sessions that began together are not all archived at
// once, since chat would wait. It is used by one goroutine.
type pace struct {
	seen float64 // messages, the older the less
	at   time.Time
	late bool // the turn before had to do with what is too late
}

// turn is one look at all partitions.
type turn struct {
	delay time.Duration // what changed later waits
	limit int           // sessions of each partition

	messages atomic.Int64
	latest   atomic.Int64 // ms that the session which waits the longest is behind
}

// begin tells how to go on. Who asked for less than the usual delay is not made to wait.
func (p *pace) begin(usual time.Duration) *turn {
	t := &turn{delay: usual, limit: collectLimit}
	if over := p.rate(0) / easyRate; usual >= archiveDelay && over > 1 {
		t.delay = max(usual, min(longestDelay, time.Duration(over*float64(usual))))
		if !p.late {
			t.limit = gentleLimit
		}
	}
	return t
}

// gentle tells whether chat goes first.
func (t *turn) gentle() bool { return t.limit == gentleLimit }

// atOnce is how many partitions are looked at at a time, each with a script at a time.
func (t *turn) atOnce() int {
	if t.gentle() {
		return gentleAtOnce
	}
	return store.MaxPartitions
}

// rate counts messages, and gives how many there were a second of late.
func (p *pace) rate(n int64) float64 {
	now := time.Now()
	p.seen = p.seen*math.Exp(-float64(now.Sub(p.at))/float64(paceOver)) + float64(n)
	p.at = now
	return p.seen / paceOver.Seconds()
}

// add counts a piece.
func (t *turn) add(p *Piece) {
	t.messages.Add(int64(len(p.messages)))
	since, err := strconv.ParseInt(p.Since, 10, 64)
	for late := p.Now - since; err == nil; {
		if was := t.latest.Load(); late <= was || t.latest.CompareAndSwap(was, late) {
			return
		}
	}
}

// end tells how long to wait before the next turn where this one has left
// something: so that it comes twice as fast as of late, unless it is late already.
func (p *pace) end(t *turn) time.Duration {
	n := t.messages.Load()
	rate := p.rate(n)
	p.late = t.latest.Load() > tooLate.Milliseconds()
	if p.late || !t.gentle() {
		return 0
	}
	return min(longestPause, time.Duration(float64(n)/(2*rate)*float64(time.Second)))
}
