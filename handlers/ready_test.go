package handlers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/internal/testenv"
)

// fleeting is an archive that may be away.
type fleeting struct {
	archive.Archive
	away atomic.Bool
}

func (f *fleeting) Ping(ctx context.Context) error {
	if f.away.Load() {
		return errors.New("away")
	}
	return f.Archive.Ping(ctx)
}

// The archive away is told by /readyz, and takes no node out of a balancer: chat goes on. Redis away, and draining, do.
func TestReady(t *testing.T) {
	redis := testenv.Redis(t)
	rdb, err := broker.Dial(redis.URL())
	require.NoError(t, err)
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	shelf := &fleeting{Archive: store}
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, Archive: shelf, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := testServer(t, Options{Broker: b})
	addr := serve(t, s)
	ready := func() (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, body := ready()
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"archive":"ok"`)
	shelf.away.Store(true)
	status, body = ready()
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"archive":"away"`)
	require.Contains(t, body, `"archiveLag"`)

	redis.Pause()
	status, body = ready()
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, `"redis":"away"`)
	redis.Resume()
	require.Eventually(t, func() bool { status, _ = ready(); return status == http.StatusOK }, 10*time.Second, 50*time.Millisecond)
	s.Drain(t.Context())
	status, body = ready()
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, rdb.Close())
	require.NoError(t, store.Close())
}
