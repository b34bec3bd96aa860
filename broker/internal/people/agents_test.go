package people

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// together runs all at one moment and waits for them.
func together(t *testing.T, all ...func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// What an administrator sets of an agent stays, whoever issues a token for it or
// sets something else of it at the same moment, on whichever node.
func TestWhatIsSetOfAnAgentStays(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := start(t, url), start(t, url)
	ctx := t.Context()
	for range 400 {
		id, q := name("ann"), name("q")
		together(t,
			func() error {
				_, _, err := a.Issue(ctx, chat.Identity{Role: chat.RoleAgent, ID: id, Name: "Ann"}, time.Minute)
				return err
			},
			func() error {
				_, err := b.SetAgent(ctx, id, chat.AgentSettings{Queues: []string{q}, Capacity: 3})
				return err
			})
		got, _, err := a.Agent(ctx, id)
		require.NoError(t, err)
		require.Equal(t, 3, got.Capacity)
		require.Equal(t, []string{q}, got.Queues)
		require.Equal(t, "Ann", got.Name)
	}
	for range 200 {
		id, q := name("ann"), name("q")
		_, err := a.SetAgent(ctx, id, chat.AgentSettings{})
		require.NoError(t, err)
		together(t,
			func() error { _, err := a.SetAgent(ctx, id, chat.AgentSettings{Capacity: 3}); return err },
			func() error { _, err := b.SetAgent(ctx, id, chat.AgentSettings{Queues: []string{q}}); return err })
		got, _, err := a.Agent(ctx, id)
		require.NoError(t, err)
		require.Equal(t, 3, got.Capacity, "left out: it stays as it is")
		require.Equal(t, []string{q}, got.Queues)
	}
}
