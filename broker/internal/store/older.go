package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
)

// Sessions that were opened before there were buckets have ids that name a partition of
// a numbering that is no more. Such a session is looked for in all partitions, once: its
// user's bucket never changes. Where it is nowhere, it is in the archive, if at all,
// whose document names the user: who reads that says so (Learn).

const (
	mostOlder     = 100_000
	olderPatience = 5 * time.Second
)

// older are the buckets of sessions whose ids do not name them.
type older struct {
	mu sync.RWMutex
	by map[string]uint16
}

func (o *older) get(session string) (uint32, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	b, ok := o.by[session]
	return uint32(b), ok
}

func (o *older) put(session string, bucket uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = map[string]uint16{}
	}
	if _, there := o.by[session]; !there && len(o.by) >= mostOlder {
		for id := range o.by { // any one: it is looked for again
			delete(o.by, id)
			break
		}
	}
	o.by[session] = uint16(bucket) //nolint:gosec // below 4,096
}

// lost is the partition of a session that could not be looked for: scripts refuse it.
var lost = Partition{prefix: "{?}:", Tag: "?"}

var errLost = chat.Errorf(chat.CodeUnavailable, "the store does not answer; send again with the same key")

// Learn notes whose a session is.
func (s *Store) Learn(session, user string) {
	if !s.Named && user != "" && isOlder(session) {
		s.older.put(session, bucket(user))
	}
}

// Known tells whether a session's partition follows from its id, or has been found.
func (s *Store) Known(session string) bool {
	if s.Named || !isOlder(session) {
		return true
	}
	_, ok := s.older.get(session)
	return ok
}

func isOlder(session string) bool { return len(session) > 2 && session[2] == '-' }

// trace finds a session of before.
func (s *Store) trace(session string) Partition {
	if b, ok := s.older.get(session); ok {
		return s.Parts[s.at(b)]
	}
	ctx, cancel := context.WithTimeout(s.Life, olderPatience)
	defer cancel()
	users := make([]*redis.StringCmd, len(s.Parts))
	_, err := s.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range s.Parts {
			users[i] = pipe.HGet(ctx, p.Session(session), "user")
		}
		return nil
	})
	for i, u := range users {
		if user, err := u.Result(); err == nil {
			s.older.put(session, bucket(user))
			return s.Parts[i]
		}
	}
	for _, u := range users {
		if err := u.Err(); !IsNil(err) {
			return lost // it may be where nobody answers
		}
	}
	if err != nil && !IsNil(err) {
		return lost
	}
	return s.Parts[int(hash(session)%uint32(len(s.Parts)))] //nolint:gosec // any one: it is in none
}
