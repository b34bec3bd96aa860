package broker

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Everywhere an address comes in it is looked at, and one that an older version let be stored does nothing.
func TestAddressesAtTheDoors(t *testing.T) {
	ctx := t.Context()
	claims := chat.Identity{Role: chat.RoleUser, ID: name("uma"), Expires: time.Now().Add(time.Hour), Issued: time.Now()}
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded), func(o *Options) {
		o.JWT = func(context.Context, string) (chat.Identity, error) { return claims, nil }
	})
	id := chat.Identity{Role: chat.RoleUser, ID: name("uma"), Avatar: "//evil.example/x.png"}
	_, _, err := b.IssueToken(ctx, id, 0)
	code(t, chat.CodeBadRequest, err)
	require.ErrorContains(t, err, "avatar")
	claims.Avatar = id.Avatar
	_, err = b.Authenticate(ctx, "a.b.c")
	code(t, chat.CodeUnauthorized, err)
	require.ErrorContains(t, err, "avatar")
	claims.Avatar = "https://example.com/x.png"
	_, err = b.Authenticate(ctx, "a.b.c")
	require.NoError(t, err)
	host := chat.Actor{Host: true}
	_, err = b.Open(ctx, host, chat.OpenRequest{User: id.Person(), Queue: name("q")})
	code(t, chat.CodeBadRequest, err)
	require.ErrorContains(t, err, "avatar")

	id.Avatar = "https://example.com/x.png"
	token, _, err := b.IssueToken(ctx, id, 0)
	require.NoError(t, err)
	issued, err := b.Authenticate(ctx, token)
	require.NoError(t, err)
	key := b.store.Home(issued.TokenID).Token(issued.TokenID)
	record, err := b.store.Redis.Get(ctx, key).Result()
	require.NoError(t, err)
	require.NoError(t, b.store.Redis.Set(ctx, key, strings.Replace(record, id.Avatar, "//evil.example/x", 1), redis.KeepTTL).Err())
	old, err := b.Authenticate(ctx, token)
	require.NoError(t, err)
	require.Empty(t, old.Avatar)
	uma := connect(t, b, old, "")
	s, err := b.Open(ctx, uma.Actor, chat.OpenRequest{Queue: name("q")})
	require.NoError(t, err)
	for _, kind := range []string{chat.TypeImage, chat.TypeVoice, chat.TypeVideo, chat.TypeFile} {
		for _, a := range []chat.Actor{uma.Actor, host} {
			_, err = b.Send(ctx, a, chat.SendRequest{Session: s.ID, As: chat.RoleUser, Type: kind, Body: json.RawMessage(`{"url":"http://["}`)})
			code(t, chat.CodeBadRequest, err)
			require.ErrorContains(t, err, "body.url")
		}
	}
}
