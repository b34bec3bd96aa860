package people

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// readFakeJWT takes `user.<iat in ms>.x` for a JWT.
func readFakeJWT(_ context.Context, token string) (chat.Identity, error) {
	parts := strings.Split(token, ".")
	iat, err := strconv.ParseInt(parts[1], 10, 64)
	return chat.Identity{Role: chat.RoleUser, ID: parts[0], Issued: time.UnixMilli(iat), Expires: time.Now().Add(time.Hour)}, err
}

// A revocation that the client library repeats ends nothing that was issued since.
func TestARepeatedRevocationIsOne(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := start(t, url)
		ctx, user := t.Context(), name("uma")
		p := b.store.Home(user)
		first := b.mustRaw(t, "revoke", []string{p.Profile("u:" + user), p.Dirty(), p.Ahead("u:" + user)}, "u:"+user, "op", 0)
		token, _, err := b.Issue(ctx, chat.Identity{Role: chat.RoleUser, ID: user}, time.Minute)
		require.NoError(t, err)
		again := b.mustRaw(t, "revoke", []string{p.Profile("u:" + user), p.Dirty(), p.Ahead("u:" + user)}, "u:"+user, "op", 0)
		require.Equal(t, first[:2], again[:2])
		_, err = b.Authenticate(ctx, token)
		require.NoError(t, err)
	})
}

// Whatever is given as a token, and whatever Redis holds under its hash, speaks for somebody who is whole, or for nobody.
func FuzzTokens(f *testing.F) {
	b := start(f, "redis://"+miniredis.RunT(f).Addr(), func(o *Options) { o.JWT, o.Leeway = readFakeJWT, 30*time.Second })
	token, _, err := b.Issue(f.Context(), chat.Identity{Role: chat.RoleUser, ID: "uma"}, time.Hour)
	require.NoError(f, err)
	held, err := b.store.Redis.Get(f.Context(), b.store.Home(tokenHash(token)).Token(tokenHash(token))).Result()
	require.NoError(f, err)
	for _, seed := range [][2]string{{token, held}, {"", ""}, {"a b", ""}, {"x", "{}"}, {"x", `{"role":"admin","id":"x","expires":9999999999999}`}, {"x", "nonsense"}, {"x.1.y", ""}, {"x..y", ""},
		{"x", `{"role":"user","id":"","expires":9999999999999}`}, {"x", `{"role":"user","id":"u","issued":-1,"expires":-1}`}, {"x", `null`}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, token, held string) {
		if tokenShape(token) {
			hash := tokenHash(token)
			require.NoError(t, b.store.Redis.Set(t.Context(), b.store.Home(hash).Token(hash), held, time.Minute).Err())
		}
		begun := time.Now()
		id, err := b.Authenticate(t.Context(), token)
		require.Less(t, time.Since(begun), 5*time.Second)
		if err != nil {
			return
		}
		require.True(t, tokenShape(token))
		require.NotEmpty(t, id.ID)
		require.True(t, id.Role == chat.RoleUser || id.Role.Staff(), "%q", id.Role)
		require.True(t, id.Expires.IsZero() || time.Now().Before(id.Expires))
	})
}
