package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// A command goes when it comes, though one that went before is not answered yet.
func TestACommandWaitsForNoOther(t *testing.T) {
	t.Parallel()
	const way = 400 * time.Millisecond // and as long back
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	s := storetest.Open(t, server.Through(proxy.Addr()), 1)
	require.NoError(t, s.Pipe.Exists(t.Context(), s.Parts[0].Queues()).Err(), "connected")
	proxy.Latency(way)
	done := make(chan error)
	go func() { done <- s.Pipe.Exists(t.Context(), s.Parts[0].Queues()).Err() }()
	time.Sleep(way / 4) // it is on its way
	began := time.Now()
	require.NoError(t, s.Pipe.Exists(t.Context(), s.Parts[0].Queues()).Err())
	require.Less(t, time.Since(began), way*3, "it waited for the first")
	require.NoError(t, <-done)
}
