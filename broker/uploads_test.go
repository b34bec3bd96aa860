package broker

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
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
