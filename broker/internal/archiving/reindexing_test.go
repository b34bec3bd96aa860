package archiving

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// stale is an archive with so many messages left to index again.
type stale struct {
	archive.Archive
	mu            sync.Mutex
	left          int
	fail          error
	steps, inside int
	most          int // steps at the same time
}

// Reindex implements archive.Archive.
func (s *stale) Reindex(_ context.Context, n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside++
	s.most = max(s.most, s.inside)
	s.mu.Unlock()
	time.Sleep(2 * time.Millisecond) // steps at the same time would meet here
	s.mu.Lock()
	s.inside--
	if s.fail != nil {
		return 0, s.fail
	}
	s.steps++
	n = min(n, s.left)
	s.left -= n
	return n, nil
}

func (s *stale) set(left int, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.fail, s.steps, s.most = left, fail, 0, 0
}

// One node of several indexes the archive again, in steps with rests; another goes
// on where it stopped; an archive that is away is tried again.
func TestOneNodeReindexes(t *testing.T) {
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	s, url := &stale{Archive: file}, testenv.Redis(t).URL()
	ctx := t.Context()
	node := func() *Archiver {
		n := store.NewStore(testenv.Client(t, url), slog.New(slog.DiscardHandler))
		require.NoError(t, n.Open(ctx, store.Numbering{Partitions: 1}, nil))
		return NewArchiver(n, s, 0, 0, nil)
	}
	a, b, away := node(), node(), errors.New("away")

	s.set(10*reindexBatch, nil)
	began := time.Now()
	var wg sync.WaitGroup
	for _, n := range []*Archiver{a, b} {
		wg.Go(func() { n.Reindex(ctx) })
	}
	wg.Wait()
	require.Zero(t, s.left)
	require.Equal(t, 1, s.most, "never two at the same time")
	require.Equal(t, 11, s.steps)
	require.Greater(t, time.Since(began), 10*(1+reindexRest)*2*time.Millisecond, "it rests")

	s.set(3*reindexBatch, away)
	a.Reindex(ctx)
	b.Reindex(ctx)
	require.Equal(t, 3*reindexBatch, s.left)
	s.set(3*reindexBatch, nil)
	b.Reindex(ctx)
	holder, err := b.store.Redis.Get(ctx, store.ReindexKey).Result()
	require.NoError(t, err)
	require.Equal(t, holder != b.store.Node, s.left > 0, "only who has the lease")
	require.NoError(t, b.store.Redis.Del(ctx, store.ReindexKey).Err()) // as when the other is gone for long enough
	b.Reindex(ctx)
	require.Zero(t, s.left)

	s.set(1000*reindexBatch, nil)
	stopped, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	b.Reindex(stopped)
	require.Positive(t, s.left, "it stops when it is told to")
}
