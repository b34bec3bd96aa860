package broker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// fakeJWT is `user.<iat in ms, of whole seconds unless asked otherwise>.x`.
func fakeJWT(user string, iat time.Time, precision time.Duration) string {
	return fmt.Sprintf("%s.%d.x", user, iat.Truncate(precision).UnixMilli())
}

func readFakeJWT(_ context.Context, token string) (Identity, error) {
	parts := strings.Split(token, ".")
	iat, err := strconv.ParseInt(parts[1], 10, 64)
	return Identity{Role: RoleUser, ID: parts[0], Issued: time.UnixMilli(iat), Expires: time.Now().Add(time.Hour)}, err
}

// Whoever logs in after all its tokens were revoked gets one that works, at once and on
// every node; none from before works, by whatever clock. Opaque ones and JWTs alike.
func TestOnlyFreshLogInsWorkAfterARevocation(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	withJWT := func(o *Options) { o.JWT = readFakeJWT }
	a, b := startNode(t, url, withJWT), startNode(t, url, withJWT)
	ctx := t.Context()
	kinds := map[string]func(n *Broker, user string) (string, error){
		"opaque": func(n *Broker, user string) (string, error) {
			token, _, err := n.IssueToken(ctx, Identity{Role: RoleUser, ID: user}, time.Minute)
			return token, err
		},
		"jwt": func(_ *Broker, user string) (string, error) { return fakeJWT(user, time.Now(), time.Second), nil },
		"jwt with ms": func(_ *Broker, user string) (string, error) {
			time.Sleep(time.Millisecond) // the millisecond of the revocation itself is over
			return fakeJWT(user, time.Now(), time.Millisecond), nil
		},
	}
	for kind, issue := range kinds {
		t.Run(kind, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					user := name("uma")
					old, err := issue(a, user)
					require.NoError(t, err)
					_, err = b.Authenticate(ctx, old)
					require.NoError(t, err)
					require.NoError(t, a.RevokeParticipant(ctx, RoleUser, user))
					fresh, err := issue(b, user)
					require.NoError(t, err)
					for _, n := range []*Broker{a, b} {
						_, err = n.Authenticate(ctx, old)
						code(t, CodeUnauthorized, err)
						id, err := n.Authenticate(ctx, fresh)
						require.NoError(t, err)
						c, err := n.Connect(ctx, id, "", &wire{more: make(chan struct{})})
						require.NoError(t, err)
						c.Close(ctx)
					}
				})
			}
			wg.Wait()
		})
	}
}

// A revocation that the client library repeats ends nothing that was issued since.
func TestARepeatedRevocationIsOne(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, user := t.Context(), name("uma")
		p := b.home(user)
		first := b.mustRaw(t, "revoke", []string{p.profile("u:" + user), p.dirty()}, "u:"+user, "op")
		token, _, err := b.IssueToken(ctx, Identity{Role: RoleUser, ID: user}, time.Minute)
		require.NoError(t, err)
		again := b.mustRaw(t, "revoke", []string{p.profile("u:" + user), p.dirty()}, "u:"+user, "op")
		require.Equal(t, first, again)
		_, err = b.Authenticate(ctx, token)
		require.NoError(t, err)
	})
}

// Whatever time is written into Redis is Redis's own: here its clock is an hour ahead of the node's.
func TestTimesInRedisAreItsOwn(t *testing.T) {
	server := miniredis.RunT(t)
	ahead := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	server.SetTime(ahead)
	b := startNode(t, "redis://"+server.Addr(), func(o *Options) { o.NoArchiver = true })
	ctx, ann, q := t.Context(), name("ann"), name("q")
	token, expires, err := b.IssueToken(ctx, Identity{Role: RoleAgent, ID: ann}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, ahead.Add(time.Minute).UnixMilli(), expires.UnixMilli())
	b.set(t, q, func(*QueueSettings) {})
	_, err = b.PutAgent(ctx, host, name("bea"), AgentSettings{})
	require.NoError(t, err)
	block(t, b, name("uma"), "")
	require.NoError(t, b.RevokeToken(ctx, token))
	require.NoError(t, b.RevokeParticipant(ctx, RoleUser, name("uma")))
	m, err := b.MoveAll(ctx, host, MoveRequest{FromAgent: ann, Queue: q})
	require.NoError(t, err)
	require.Equal(t, ahead.UnixMilli(), m.Created.UnixMilli())
	n := 0
	for _, p := range b.parts {
		for _, key := range []string{p.dirty(), p.timers()} {
			due, err := b.rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			for _, z := range due {
				require.GreaterOrEqual(t, int64(z.Score), ahead.UnixMilli(), z.Member)
				n++
			}
		}
	}
	require.GreaterOrEqual(t, n, 6)
}
