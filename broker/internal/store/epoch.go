package store

import (
	"context"

	"bellhop/broker/chat"
)

// Epoch is what a partition's server and keys said of themselves at one moment;
// scripts/lib/epoch.lua says how it grows.
type Epoch struct {
	Run      string // the server's run id; the embedded one has none
	N, Ticks int64
}

// Fell tells whether Redis may have fallen back between two looks: another server
// answers, somebody said so, or what only grows has not grown. A counter alone
// would be too coarse (a tail of 50 ms holds no tick), and a run id does not
// tell of keys that were restored or removed under a running server.
func (e Epoch) Fell(now Epoch) bool {
	return e != (Epoch{}) && (now.Run != e.Run || now.N != e.N || now.Ticks <= e.Ticks)
}

// LookEmptied finds out whether Redis has lost everything: then nothing may be
// built on what is left of it before it has been restored.
func (s *Store) LookEmptied(ctx context.Context) {
	there, err := s.Redis.Exists(ctx, PartitionsKey).Result()
	if err != nil {
		return // the next tick asks again
	}
	if there == 0 && !s.Emptied.Swap(true) {
		s.Log.Error("Redis was emptied: nothing is served until `bellhop restore` has been run, or its data is back")
	}
}

// LookRestored ends that, once a restore has ended; true where it has.
func (s *Store) LookRestored(ctx context.Context) bool {
	there, err := s.Redis.Exists(ctx, PartitionsKey).Result()
	if err != nil || there == 0 {
		return false
	}
	if begun, err := s.Redis.Exists(ctx, RestoringKey).Result(); err != nil || begun > 0 {
		return false
	}
	if renumbered, err := s.Renumbered(ctx); err != nil || renumbered {
		return renumbered // this node's partitions are no more: it has nothing to do with what is there
	}
	s.Emptied.Store(false)
	s.Log.Info("Redis has its data again")
	return true
}

// ErrEmptied answers every command while Redis is empty.
var ErrEmptied = chat.Errorf(chat.CodeUnavailable, "the store has lost its data and is being restored; try again")
