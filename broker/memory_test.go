package broker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A user who has not been here for long is forgotten, but never that it is blocked or
// that its tokens were revoked, whatever happened in which order; whoever is connected is known.
func TestIdleUsersAreForgotten(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 100}, "")
		a.set(t, q, func(s *chat.QueueSettings) { s.Sticky = 7 * 24 * 3600 })
		forgetful := 0
		for range 30 {
			id := chat.Identity{Role: chat.RoleUser, ID: name("uma"), Name: "Uma"}
			key := a.store.Home(id.ID).Profile("u:" + id.ID)
			var conn *Conn
			var blocked, revoked, known bool
			for range 12 {
				id.Issued = time.Now().Add(time.Second)
				var err error
				switch rand.IntN(6) {
				case 0:
					if conn == nil && !blocked {
						conn, err = b.Connect(ctx, id, "d", &wire{more: make(chan struct{})})
						known = true
					}
				case 1:
					if conn != nil {
						conn.Close(ctx)
						conn = nil
					}
				case 2:
					if !blocked {
						s := openFor(t, a, q, id.ID)
						ann.grab(s.ID)
						_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
						known = true
					}
				case 3:
					if rand.IntN(3) == 0 && conn == nil {
						blocked = !blocked
						_, err = a.PutUser(ctx, host, id.ID, chat.UserSettings{Blocked: blocked})
					}
				case 4:
					if rand.IntN(4) == 0 {
						revoked = true
						err = b.RevokeParticipant(ctx, chat.RoleUser, id.ID)
					}
				}
				require.NoError(t, err)
				if conn != nil && revoked {
					conn.Close(ctx)
					conn = nil
				}
				left, err := a.store.Redis.PTTL(ctx, key).Result()
				require.NoError(t, err)
				if blocked || revoked || conn != nil {
					require.EqualValues(t, -1, left, "it stays: blocked %v, revoked %v, connected %v", blocked, revoked, conn != nil)
				} else if left > 0 {
					forgetful++
					require.Greater(t, left, 7*24*time.Hour)
				}
			}
			if conn != nil {
				conn.Close(ctx)
			}
			left, err := a.store.Redis.PTTL(ctx, key).Result()
			require.NoError(t, err)
			if !blocked && !revoked && known && left > 0 {
				require.NoError(t, a.store.Redis.Del(ctx, key).Err()) // it has expired
				back := user(t, b, id.ID)
				s := back.open(q)
				ann.grab(s.ID)
				require.NotEmpty(t, cardOf(t, a, host, id.ID).Sessions)
				_, err = b.End(ctx, back.Actor, chat.EndRequest{Session: s.ID})
				require.NoError(t, err)
			}
		}
		require.Positive(t, forgetful)
		clean(t, a)
	})
}
