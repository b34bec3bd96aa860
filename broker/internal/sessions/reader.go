package sessions

import (
	"sync/atomic"

	"bellhop/archive"
	"bellhop/broker/internal/store"
)

// Reader reads sessions and their logs, wherever they are. Its methods may be called concurrently.
type Reader struct {
	store   *store.Store
	archive archive.Archive // nil without one
	base    string          // below which clients find the files kept here
	filed   atomic.Bool     // the list by state is whole

	labelled atomic.Bool // the list by label is

	census census
}

// NewReader reads from Redis and, where there is one, the archive.
func NewReader(s *store.Store, a archive.Archive, base string) *Reader {
	return &Reader{store: s, archive: a, base: base}
}

// ListsByState tells whether the lists by state are whole: until then lists are read without them.
func (rd *Reader) ListsByState() bool { return rd.filed.Load() }

// ListsByLabel tells the same of the lists by label.
func (rd *Reader) ListsByLabel() bool { return rd.labelled.Load() }
