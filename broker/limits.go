package broker

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter bounds how fast each participant sends at this node.
type limiter struct {
	rate float64 // a user's messages a second; negative: no limit
	mu   sync.Mutex
	by   map[string]*rate.Limiter
}

const staffRate = 100

// allow takes one send of a participant's, or says when to try again.
func (l *limiter) allow(w string) error {
	perSecond := l.rate
	if w[0] != 'u' {
		perSecond = staffRate
	} else if perSecond < 0 {
		return nil
	}
	l.mu.Lock()
	if l.by == nil {
		l.by = map[string]*rate.Limiter{}
	}
	lim := l.by[w]
	if lim == nil {
		lim = rate.NewLimiter(rate.Limit(perSecond), max(1, int(2*perSecond)))
		l.by[w] = lim
	}
	l.mu.Unlock()
	now := time.Now()
	if lim.AllowN(now, 1) {
		return nil
	}
	wait := time.Duration((1 - lim.TokensAt(now)) / perSecond * float64(time.Second))
	return &Error{Code: CodeRateLimited, Message: "slow down", RetryMS: max(1, wait.Milliseconds())}
}

// sweep forgets those who have been quiet long enough to have their full burst again.
func (l *limiter) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for w, lim := range l.by {
		if lim.TokensAt(now) >= float64(lim.Burst()) {
			delete(l.by, w)
		}
	}
}
