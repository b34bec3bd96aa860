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

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// fakeJWT is `user.<iat in ms, of whole seconds unless asked otherwise>.x`.
func fakeJWT(user string, iat time.Time, precision time.Duration) string {
	return fmt.Sprintf("%s.%d.x", user, iat.Truncate(precision).UnixMilli())
}

func readFakeJWT(_ context.Context, token string) (chat.Identity, error) {
	parts := strings.Split(token, ".")
	iat, err := strconv.ParseInt(parts[1], 10, 64)
	return chat.Identity{Role: chat.RoleUser, ID: parts[0], Issued: time.UnixMilli(iat), Expires: time.Now().Add(time.Hour)}, err
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
			token, _, err := n.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: user}, time.Minute)
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
					require.NoError(t, a.RevokeParticipant(ctx, chat.RoleUser, user))
					fresh, err := issue(b, user)
					require.NoError(t, err)
					for _, n := range []*Broker{a, b} {
						_, err = n.Authenticate(ctx, old)
						code(t, chat.CodeUnauthorized, err)
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

// Whatever time is written into Redis is Redis's own: here its clock is an hour ahead of the node's.
func TestTimesInRedisAreItsOwn(t *testing.T) {
	server := miniredis.RunT(t)
	ahead := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	server.SetTime(ahead)
	b := startNode(t, "redis://"+server.Addr(), func(o *Options) { o.NoArchiver = true })
	ctx, ann, q := t.Context(), name("ann"), name("q")
	token, expires, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleAgent, ID: ann}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, ahead.Add(time.Minute).UnixMilli(), expires.UnixMilli())
	b.set(t, q, func(*chat.QueueSettings) {})
	_, err = b.PutAgent(ctx, host, name("bea"), chat.AgentSettings{})
	require.NoError(t, err)
	block(t, b, name("uma"), "")
	require.NoError(t, b.RevokeToken(ctx, token))
	require.NoError(t, b.RevokeParticipant(ctx, chat.RoleUser, name("uma")))
	m, err := b.MoveAll(ctx, host, MoveRequest{FromAgent: ann, Queue: q})
	require.NoError(t, err)
	require.Equal(t, ahead.UnixMilli(), m.Created.UnixMilli())
	n := 0
	for _, p := range b.store.Parts {
		for _, key := range []string{p.Dirty(), p.Timers()} {
			due, err := b.store.Redis.ZRangeWithScores(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			for _, z := range due {
				require.GreaterOrEqual(t, int64(z.Score), ahead.UnixMilli(), z.Member)
				n++
			}
		}
	}
	require.GreaterOrEqual(t, n, 6)
}

// A JWT whose issuer's clock is fast does not outlive a revocation, whichever of Redis's clock and
// the node's is behind; what a revocation has barred stays so; opaque tokens work at once.
func TestARevocationIsForTokensOfAFastClock(t *testing.T) {
	for what, off := range map[string]time.Duration{"Redis is ahead": time.Hour, "Redis is behind": -time.Hour, "all agree": 0} {
		t.Run(what, func(t *testing.T) {
			server := miniredis.RunT(t)
			redisTime := time.Now().Add(off) // it stands still
			server.SetTime(redisTime)
			b := startNode(t, "redis://"+server.Addr(), func(o *Options) { o.JWT, o.NoArchiver = readFakeJWT, true })
			ctx, uma := t.Context(), name("uma")
			_, err := b.Authenticate(ctx, fakeJWT(uma, time.Now().Add(35*time.Second), time.Millisecond))
			code(t, chat.CodeUnauthorized, err)
			var held []string
			for _, ahead := range []time.Duration{-time.Hour, 0, 20 * time.Second, 29900 * time.Millisecond} {
				held = append(held, fakeJWT(uma, time.Now().Add(ahead), time.Millisecond))
			}
			var seen []*wire
			for _, token := range held {
				id, err := b.Authenticate(ctx, token)
				require.NoError(t, err)
				w := &wire{more: make(chan struct{})}
				_, err = b.Connect(ctx, id, name("device"), w)
				require.NoError(t, err)
				seen = append(seen, w)
			}
			begun := time.Now()
			require.NoError(t, b.RevokeParticipant(ctx, chat.RoleUser, uma))
			require.Less(t, time.Since(begun), 1500*time.Millisecond, "it does not wait for the leeway")
			if off == 0 {
				fast := fakeJWT(uma, time.Now().Add(30*time.Second), time.Millisecond)
				_, err = b.Authenticate(ctx, fast)
				require.NoError(t, err, "a fresh one of that issuer")
			}
			for i, token := range held {
				_, err := b.Authenticate(ctx, token)
				code(t, chat.CodeUnauthorized, err)
				eventually(t, func() bool { seen[i].mu.Lock(); defer seen[i].mu.Unlock(); return seen[i].code == chat.CloseRevoked })
			}
			token, _, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: uma}, 3*time.Hour)
			require.NoError(t, err)
			_, err = b.Authenticate(ctx, token)
			require.NoError(t, err)

			bar := func() int64 {
				p, err := b.people.Profile(ctx, chat.RoleUser, uma)
				require.NoError(t, err)
				return p.Revoked
			}
			was := bar()
			later := max(begun.UnixMilli(), redisTime.UnixMilli())
			require.GreaterOrEqual(t, was, max(later, begun.UnixMilli()+29000))
			require.Less(t, was, max(later+1000, begun.UnixMilli()+31000))
			server.SetTime(time.Now().Add(-2 * time.Hour))
			require.NoError(t, b.RevokeParticipant(ctx, chat.RoleUser, uma))
			require.GreaterOrEqual(t, bar(), was)
		})
	}
}
