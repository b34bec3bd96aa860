package store

import (
	"context"

	"bellhop/broker/chat"
)

// Check is one thing that must hold of what a room owns.
type Check struct {
	Promise int                                       // its number in the README
	Keys    []string                                  // in Redis
	Run     func(ctx context.Context) (string, error) // tells what is wrong, or nothing
}

// OfSession makes a check's Run of something that must hold of a session as it is at one
// moment; nothing is wrong with one that is not there any more.
func (s *Store) OfSession(p Partition, id string, f func(ctx context.Context, st *chat.Snapshot, fields chat.Flat) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		r, err := s.Run(ctx, "look", p.Looked(id))
		if err != nil {
			return "", err
		}
		st, fields, err := chat.ParseSnapshot(id, r.Str(0))
		if err != nil || st == nil {
			return "", err // it may have expired meanwhile
		}
		return f(ctx, st, fields)
	}
}
