// Package storetest opens a Store for the tests of a room that needs no more than Redis.
package storetest

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/scripts"
)

// Open is a way to the Redis of a URL, with so many partitions, until the test's end. Nothing runs in the background.
func Open(t testing.TB, url string, partitions int) *store.Store {
	t.Helper()
	client, err := store.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s := store.NewStore(client, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Open(t.Context(), store.Numbering{Partitions: partitions}, nil))
	t.Cleanup(func() { _ = s.Pipe.Close() })
	return s
}

// Code fails the test unless err is an error with that code.
func Code(t testing.TB, want chat.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, chat.AsError(err).Code, "%v", err)
}

// Script is made of the scripts' own parts, as many as it names, and a body, for which keys and args are as in a file's header.
func Script(t testing.TB, keys, args, body string, libs ...string) *redis.Script {
	t.Helper()
	s, err := scripts.Compile("part", "-- part: of a test.\n-- KEYS: "+keys+"\n-- ARGV: "+args+
		"\n-- reply: 1\n-- holds: what the test says\n--#include "+strings.Join(libs, " ")+"\n"+body, scripts.Options{})
	require.NoError(t, err)
	return s.Script
}
