package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

const mib = 1 << 20

func budgets(own, all int64) func(*Options) {
	return func(o *Options) { o.UploadBudget, o.UnsentBudget = own, all }
}

// A participant's bytes of a day are counted over all nodes, from before they
// come; what did not come is given back.
func TestUploadsHaveABudget(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, c := startNode(t, url, budgets(50*mib, -1)), startNode(t, url, budgets(50*mib, -1))
		ctx := t.Context()
		for _, role := range []chat.Role{chat.RoleUser, chat.RoleAgent} {
			a := chat.Actor{Identity: chat.Identity{Role: role, ID: name("p")}}
			var passed atomic.Int64
			var rooms [20]*Upload
			var wg sync.WaitGroup
			for i := range rooms {
				wg.Go(func() {
					u, err := []*Broker{b, c}[i%2].AllowUpload(ctx, a, 20*mib)
					if err == nil {
						rooms[i] = u
						passed.Add(1)
						return
					}
					if e := chat.AsError(err); e.Code != chat.CodeRateLimited || e.RetryMS < 24*time.Hour.Milliseconds() || e.RetryMS > 25*time.Hour.Milliseconds() {
						t.Errorf("%v, wait %d ms", err, e.RetryMS)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 2, passed.Load(), "at once, at two nodes")
			for _, u := range rooms {
				if u != nil {
					require.NoError(t, u.Keep(ctx, 5*mib))
				}
			}
			for range 2 {
				_, err := b.AllowUpload(ctx, a, 20*mib)
				require.NoError(t, err, "30 of the 40 MiB were given back")
			}
			_, err := c.AllowUpload(ctx, a, 1)
			code(t, chat.CodeRateLimited, err)
			a.Host = true
			_, err = c.AllowUpload(ctx, a, 20*mib)
			require.NoError(t, err)
			_, err = c.AllowUpload(ctx, chat.Actor{Identity: chat.Identity{Role: role, ID: name("q")}}, 20*mib)
			require.NoError(t, err, "another one")
		}
	})
}

// What was uploaded and not sent has a bound over all participants. It is given
// back by sending, and by time; nobody's own budget pays for the lack of room.
func TestWhatIsNotSentHasABudget(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineRedis, testenv.EngineEmbedded} {
		t.Run(string(e), func(t *testing.T) {
			b := startNode(t, testenv.Shared(t, e), budgets(21*mib, 50*mib))
			ctx := context.WithoutCancel(t.Context())
			require.NoError(t, b.Redis.Del(ctx, store.UnsentKey).Err())
			t.Cleanup(func() { b.Redis.Del(ctx, store.UnsentKey) })
			someone := func() chat.Actor { return chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("u")}} }
			for range 2 {
				u, err := b.AllowUpload(ctx, someone(), 20*mib)
				require.NoError(t, err)
				require.NoError(t, u.Keep(ctx, 20*mib))
			}
			tom := someone()
			for range 3 {
				_, err := b.AllowUpload(ctx, tom, 20*mib)
				code(t, chat.CodeOverloaded, err)
				require.True(t, chat.AsError(err).Retry())
			}
			require.NoError(t, b.UploadSent(ctx, 20*mib, time.Now()))
			_, err := b.AllowUpload(ctx, tom, 20*mib)
			require.NoError(t, err)
			_, err = b.AllowUpload(ctx, someone(), 20*mib)
			code(t, chat.CodeOverloaded, err)
			for _, hours := range []int64{24, 25} { // as if it had been so long ago
				held, err := b.Redis.HGetAll(ctx, store.UnsentKey).Result()
				require.NoError(t, err)
				for hour, bytes := range held {
					if hour != "ops" {
						require.NoError(t, b.Redis.HDel(ctx, store.UnsentKey, hour).Err())
						require.NoError(t, b.Redis.HSet(ctx, store.UnsentKey, time.Now().Unix()/3600-hours, bytes).Err())
					}
				}
				u, err := b.AllowUpload(ctx, someone(), 20*mib)
				if hours == 24 {
					code(t, chat.CodeOverloaded, err)
				} else {
					require.NoError(t, err)
					require.NoError(t, u.Keep(ctx, 0))
				}
			}
			require.NoError(t, b.UploadSent(ctx, 20*mib, time.Now()), "more than there is")
			left, err := b.Redis.HGetAll(ctx, store.UnsentKey).Result()
			require.NoError(t, err)
			require.Len(t, left, 1, "only the calls: %v", left)
		})
	}
}

// The client library may repeat the script: it counts once.
func TestAnUploadCountsOnce(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		key := b.Home("x").Uploads("u:" + name("x"))
		for range 2 {
			require.Equal(t, "ok", b.mustRaw(t, "upload", []string{key}, 40, 50, 1000, "op1", 1000*3600_000).Str(0))
		}
		r := b.mustRaw(t, "upload", []string{key}, 20, 50, 1000, "op2", 1000*3600_000)
		require.Equal(t, []any{"full", int64(25 * 3600_000)}, []any{r.Str(0), r.Num(1)})
		require.Equal(t, "ok", b.mustRaw(t, "upload", []string{key}, 10, 50, 1000, "op3", 1000*3600_000).Str(0))
	})
}

func TestTheBlockedUploadNothing(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}
		for _, blocked := range []bool{true, false} {
			_, err := b.PutUser(t.Context(), host, uma.ID, chat.UserSettings{Blocked: blocked})
			require.NoError(t, err)
			_, err = b.AllowUpload(t.Context(), uma, 1)
			if blocked {
				code(t, chat.CodeBlocked, err)
			} else {
				require.NoError(t, err)
			}
		}
	})
}
