package broker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/live"
	"bellhop/internal/testenv"
)

// Whoever floods a node is let through at the rate, over all its connections
// together; others do not wait.
func TestAFloodSlowsOnlyItself(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	id := chat.Identity{Role: chat.RoleUser, ID: name("mallory")}
	one, two, uma := connect(t, b, id, ""), connect(t, b, id, ""), user(t, b, name("uma"))
	began := time.Now()
	var flood errgroup.Group
	for i := range 4 {
		c := []*party{one, two}[i%2].Conn
		flood.Go(func() error {
			for range (live.CommandBurst + live.CommandRate) / 4 {
				if err := c.Pace(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, flood.Wait())
	require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
	began = time.Now()
	for range 100 {
		require.NoError(t, uma.Conn.Pace(t.Context()))
	}
	require.Less(t, time.Since(began), 500*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	require.Error(t, one.Conn.Pace(ctx))
}
