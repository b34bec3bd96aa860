package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// A deployment that runs is looked at; the exit status is by the worst of what is found, and no key is shown.
func TestDoctor(t *testing.T) {
	server := testenv.Redis(t, "--appendonly", "yes", "--maxmemory", "1gb")
	n := startNode(t, server.URL())
	data := dataOf(t, server.URL())
	strong := "0123456789abcdef0123456789abcdef"
	examine := func(args ...string) (int, string) {
		var out, err bytes.Buffer
		status := run(t.Context(), append([]string{"doctor", "--redis-url", server.URL(), "--data-dir", data, "--api-key", strong}, args...), &out, &err)
		require.Empty(t, err.String())
		require.NotContains(t, out.String(), strong)
		return status, out.String()
	}
	status, out := examine("--all", "--url", "http://"+n.Addr())
	require.Equal(t, exitWarning, status, out)
	for _, want := range []string{"no replica", "ok       --api-key is long enough", "its user may do what Bellhop does", "64 partitions on 1 masters",
		"the archive can be reached", "passes WebSockets on"} {
		require.Contains(t, out, want)
	}
	_, short := examine()
	require.NotContains(t, short, "ok  ")
	require.Less(t, len(short), len(out))

	status, out = examine("--data-dir", filepath.Join(t.TempDir(), "nothing"))
	require.Equal(t, exitGrave, status)
	require.True(t, strings.HasPrefix(out, "grave    the archive does not take anything"), out)
	server.Kill()
	status, out = examine()
	require.Equal(t, exitGrave, status)
	require.Contains(t, out, "does not answer")
	server.Restart()
}
