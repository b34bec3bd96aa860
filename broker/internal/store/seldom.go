package store

import (
	"sync/atomic"
	"time"
)

// Seldom is for what is said once a minute, however often it happens.
type Seldom struct{ last atomic.Int64 }

// Again tells whether it is to be said, once for all who ask at a time.
func (s *Seldom) Again() bool {
	last, now := s.last.Load(), time.Now().Unix()
	return now-last >= 60 && s.last.CompareAndSwap(last, now)
}
