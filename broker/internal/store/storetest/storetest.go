// Package storetest opens a Store for the tests of a room that needs no more than Redis.
package storetest

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store"
)

// Open is a way to the Redis of a URL, with so many partitions, until the test's end. Nothing runs in the background.
func Open(t testing.TB, url string, partitions int) *store.Store {
	t.Helper()
	client, err := store.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s := store.NewStore(client, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Open(t.Context(), partitions, nil))
	t.Cleanup(func() { _ = s.Pipe.Close() })
	return s
}

// Script is made of the scripts' own parts, as many as it names, and a body.
func Script(t testing.TB, body string, libs ...string) *redis.Script {
	t.Helper()
	var src strings.Builder
	for _, lib := range libs {
		part, err := fs.ReadFile(os.DirFS(root(t)), "scripts/lib/"+lib+".lua")
		require.NoError(t, err)
		src.Write(part)
	}
	return redis.NewScript(src.String() + body)
}

// root is where the module is.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		require.NotEqual(t, above, dir, "no go.mod")
		dir = above
	}
}
