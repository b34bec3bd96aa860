package broker

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	keys "bellhop/broker/internal/store"
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
	time.Sleep(2 * time.Millisecond)
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
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	s, url := &stale{Archive: store}, testenv.Redis(t).URL()
	with := func(o *Options) { o.Archive = s }
	a, b := startNode(t, url, with), startNode(t, url, with)
	ctx := t.Context()

	s.set(10*reindexBatch, nil)
	began := time.Now()
	var wg sync.WaitGroup
	for _, n := range []*Broker{a, b} {
		wg.Go(func() { n.archiver.reindex(ctx) })
	}
	wg.Wait()
	require.Zero(t, s.left)
	require.Equal(t, 1, s.most, "never two at the same time")
	require.Equal(t, 11, s.steps)
	require.Greater(t, time.Since(began), 10*(1+reindexRest)*2*time.Millisecond, "it rests")

	s.set(3*reindexBatch, errAway)
	a.archiver.reindex(ctx)
	b.archiver.reindex(ctx)
	require.Equal(t, 3*reindexBatch, s.left)
	s.set(3*reindexBatch, nil)
	b.archiver.reindex(ctx)
	holder, err := b.Redis.Get(ctx, keys.ReindexKey).Result()
	require.NoError(t, err)
	require.Equal(t, holder != b.Node, s.left > 0, "only who has the lease")
	require.NoError(t, b.Redis.Del(ctx, keys.ReindexKey).Err()) // as when the other is gone for long enough
	b.archiver.reindex(ctx)
	require.Zero(t, s.left)

	s.set(1000*reindexBatch, nil)
	stopped, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	b.archiver.reindex(stopped)
	require.Positive(t, s.left, "it stops when it is told to")
}

// What an earlier version archived is found through the broker, before and after.
func TestSearchFindsEveryForm(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded), func(o *Options) { o.Archive = newLedger(t) })
	uma, q := user(t, b, name("uma")), name("q")
	s := uma.open(q)
	for _, text := range []string{"Straße １２３", "cafe\u0301 oﬃce", "ｶﾞｷﾞ re\u200bfund", "İstanbul"} {
		uma.send(s.ID, text)
	}
	archived(t, b, s.ID)
	for query, want := range map[string]string{"STRASSE 123": "Straße", "１２３": "１２３", "café": "cafe\u0301", "office": "oﬃce", "ガギ": "ｶﾞｷﾞ",
		"refund": "re\u200bfund", "istanbul": "İstanbul", "ISTANBUL": "İstanbul", "ｓｔｒａｓｓｅ": "Straße"} {
		r, err := b.Search(t.Context(), host, chat.SearchRequest{Query: query})
		require.NoError(t, err)
		require.Len(t, r.Messages, 1, query)
		hits := []string{}
		for _, p := range r.Messages[0].Snippet {
			if p.Hit {
				hits = append(hits, p.Text)
			}
		}
		require.Contains(t, hits, want)
	}
	_, err := b.Search(t.Context(), host, chat.SearchRequest{Query: "\u200b \ufeff"})
	code(t, chat.CodeBadRequest, err)
}
