package uploads

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const mib = 1 << 20

// someone is a user whom no other test knows.
func someone() string { return "u:" + ulid.Make().String() }

var code = storetest.Code

func start(t *testing.T, url string, o Options) *Uploads {
	t.Helper()
	s := store.NewStore(testenv.Client(t, url), slog.New(slog.DiscardHandler))
	require.NoError(t, s.Open(t.Context(), store.Numbering{Partitions: 16}, nil))
	t.Cleanup(func() { _ = s.Pipe.Close() })
	return New(s, nil, o)
}

// What was uploaded and not sent has a bound over all participants. It is given
// back by sending, and by time; nobody's own budget pays for the lack of room.
func TestWhatIsNotSentHasABudget(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineRedis, testenv.EngineEmbedded} {
		t.Run(string(e), func(t *testing.T) {
			u := start(t, testenv.Shared(t, e), Options{Own: 21 * mib, Unsent: 50 * mib})
			rdb, ctx := u.store.Redis, context.WithoutCancel(t.Context())
			require.NoError(t, rdb.Del(ctx, store.UnsentKey).Err())
			t.Cleanup(func() { rdb.Del(ctx, store.UnsentKey) })
			for range 2 {
				room, err := u.Reserve(ctx, someone(), 20*mib)
				require.NoError(t, err)
				require.NoError(t, room.Keep(ctx, 20*mib))
			}
			tom := someone()
			for range 3 {
				_, err := u.Reserve(ctx, tom, 20*mib)
				code(t, chat.CodeOverloaded, err)
				require.True(t, chat.AsError(err).Retry())
			}
			require.NoError(t, u.Sent(ctx, 20*mib, time.Now()))
			_, err := u.Reserve(ctx, tom, 20*mib)
			require.NoError(t, err)
			_, err = u.Reserve(ctx, someone(), 20*mib)
			code(t, chat.CodeOverloaded, err)
			for _, hours := range []int64{24, 25} { // as if it had been so long ago
				held, err := rdb.HGetAll(ctx, store.UnsentKey).Result()
				require.NoError(t, err)
				for hour, bytes := range held {
					if hour != "ops" {
						require.NoError(t, rdb.HDel(ctx, store.UnsentKey, hour).Err())
						require.NoError(t, rdb.HSet(ctx, store.UnsentKey, time.Now().Unix()/3600-hours, bytes).Err())
					}
				}
				room, err := u.Reserve(ctx, someone(), 20*mib)
				if hours == 24 {
					code(t, chat.CodeOverloaded, err)
				} else {
					require.NoError(t, err)
					require.NoError(t, room.Keep(ctx, 0))
				}
			}
			require.NoError(t, u.Sent(ctx, 20*mib, time.Now()), "more than there is")
			left, err := rdb.HGetAll(ctx, store.UnsentKey).Result()
			require.NoError(t, err)
			require.Len(t, left, 1, "only the calls: %v", left)
		})
	}
}

// The client library may repeat the script: it counts once.
func TestAnUploadCountsOnce(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		s := start(t, url, Options{}).store
		key := s.Home("x").Uploads(someone())
		run := func(args ...any) store.Reply {
			t.Helper()
			r, err := s.Run(t.Context(), "upload", []string{key}, args...)
			require.NoError(t, err)
			return r
		}
		for range 2 {
			require.Equal(t, "ok", run(40, 50, 1000, "op1", 1000*3600_000).Str(0))
		}
		r := run(20, 50, 1000, "op2", 1000*3600_000)
		require.Equal(t, []any{"full", int64(25 * 3600_000)}, []any{r.Str(0), r.Num(1)})
		require.Equal(t, "ok", run(10, 50, 1000, "op3", 1000*3600_000).Str(0))
	})
}

// All nodes sign links with the same key, made once.
func TestAllNodesSignWithOneKey(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		key, err := start(t, url, Options{}).Key(t.Context())
		require.NoError(t, err)
		require.Len(t, key, 32)
		other, err := start(t, url, Options{}).Key(t.Context())
		require.NoError(t, err)
		require.Equal(t, key, other)
	})
}

// Room that counts for nothing gives nothing back.
func TestTheZeroUploadCountsForNothing(t *testing.T) {
	require.NoError(t, new(Upload).Keep(t.Context(), 5*mib))
}
