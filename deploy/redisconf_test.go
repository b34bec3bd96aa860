package deploy_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A server runs with redis.conf as it stands, but for where things are; Bellhop opens its
// stores on it, and what it acknowledged is there after the server was killed.
func TestRedisRunsWithItsFile(t *testing.T) {
	t.Parallel()
	server := testenv.RedisFile(t, "redis.conf", map[string]string{"bind 127.0.0.1 -::1": "bind 127.0.0.1", "port 6379": "port {{port}}",
		"/etc/redis/users.acl": "{{users}}", "/var/lib/redis": "{{dir}}"})
	ctx := t.Context()
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "timeout": "0",
		"client-output-buffer-limit": "normal 0 0 0 slave 536870912 134217728 60 pubsub 134217728 33554432 60"} {
		assert.Equal(t, want, server.Client().ConfigGet(ctx, name).Val()[name], name)
	}
	stranger := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = stranger.Close() }()
	require.ErrorContains(t, stranger.Ping(ctx).Err(), "NOAUTH")

	folder := t.TempDir()
	uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: "uma"}}
	var session chat.Session
	on(t, server, folder, func(b *broker.Broker) {
		var err error
		session, err = b.Open(ctx, uma, chat.OpenRequest{Subject: "my order"})
		require.NoError(t, err)
	})
	server.Kill()
	server.Restart()
	on(t, server, folder, func(b *broker.Broker) {
		found, err := b.Session(ctx, uma, session.ID)
		require.NoError(t, err)
		require.Equal(t, "my order", found.Subject)
		require.Equal(t, session.State, found.State)
	})
}

// on runs a broker on a server, which archives nothing: what is found later was in Redis.
func on(t *testing.T, server *testenv.RedisServer, folder string, f func(*broker.Broker)) {
	t.Helper()
	ctx := t.Context()
	rdb, err := broker.Dial(server.URL())
	require.NoError(t, err)
	defer func() { _ = rdb.Close() }()
	store, err := sqlite.Open(ctx, filepath.Join(folder, "archive.db"))
	require.NoError(t, err)
	defer func() { _ = store.Close() }()
	b, err := broker.New(ctx, broker.Options{Redis: rdb, Archive: store, NoArchiver: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(ctx))) }()
	f(b)
}
