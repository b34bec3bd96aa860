package broker

import (
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A session that is opened, grabbed and ended costs six scripts, and what is done is told with more of its kind.
func TestALifeRunsFewScripts(t *testing.T) {
	b, spoiler := sabotaged(t, testenv.Redis(t).URL(), func(o *Options) { o.NoArchiver = true })
	ann := agent(t, b, name("ann"), chat.DefaultQueueID)
	var mu sync.Mutex
	ran := map[string]int{}
	spoiler.spoil(func(cmd redis.Cmder) error {
		for _, script := range []string{"open", "reserve", "claim", "settle", "end", "look", "returned", "resolve", "place"} {
			if running(b, script, cmd) {
				mu.Lock()
				ran[script]++
				mu.Unlock()
			}
		}
		return nil
	}, nil)
	const lives = 20
	for range lives { // of users who have no agent of theirs yet: else it is routed
		s, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: name("uma")}})
		require.NoError(t, err)
		ann.grab(s.ID)
		_, err = b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s.ID, Force: true})
		require.NoError(t, err)
	}
	eventually(t, func() bool {
		owed := int64(0)
		for _, p := range b.store.Parts {
			owed += b.store.Redis.ZCard(t.Context(), p.Outbox()).Val()
		}
		return owed == 0
	})
	spoiler.spoil(nil, nil)
	mu.Lock()
	defer mu.Unlock()
	told := ran["returned"]
	delete(ran, "returned")
	require.Equal(t, map[string]int{"open": lives, "reserve": lives, "claim": lives, "settle": 2 * lives, "end": lives}, ran)
	require.Less(t, told, lives, "each by itself")
	clean(t, b)
}
