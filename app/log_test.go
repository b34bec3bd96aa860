package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// impatient is the variable by which the test's own program becomes a node that waits
// for as long as it says, on the command line that follows.
const impatient = "BELLHOP_TEST_IMPATIENT"

func beImpatient(spec string) int {
	args := strings.Split(spec, " ")
	var err error
	if patience, err = time.ParseDuration(args[0]); err != nil {
		panic(err)
	}
	return run(context.Background(), args[1:], os.Stdout, os.Stderr)
}

// failedStart runs a node that cannot start and gives its exit status and what it logged.
func failedStart(t *testing.T, wait string, args ...string) (status int, out []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), impatient+"="+wait+" "+strings.Join(args, " "))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	return status, strings.Split(strings.TrimSpace(stderr.String()), "\n")
}

// Redis away at start: a line a second in the set format, from whoever has something to
// say, one that says why at the end, and exit status 1.
func TestRedisAwayAtStart(t *testing.T) {
	for _, scheme := range []string{"redis://", "redis+cluster://", "redis+sentinel://"} {
		t.Run(scheme, func(t *testing.T) {
			url := scheme + freeAddr(t)
			if scheme == "redis+sentinel://" {
				url += "/master"
			}
			began := time.Now()
			status, out := failedStart(t, "5s", "--redis-url", url, "--api-key", key, "--data-dir", t.TempDir(), "--addr", "127.0.0.1:0",
				"--log-format", "json")
			require.Equal(t, exitFailed, status)
			require.Greater(t, time.Since(began), 5*time.Second-100*time.Millisecond)
			require.LessOrEqual(t, len(out), 7, "%q", out)
			require.GreaterOrEqual(t, len(out), 4, "%q", out)
			for _, line := range out {
				var entry struct{ Level, Msg string }
				require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
				require.NotEmpty(t, entry.Msg)
			}
			require.Contains(t, out[0], "waiting for Redis")
			require.Contains(t, out[len(out)-1], "does not answer")
		})
	}
}

// What libraries say is there for those who ask for details, in the same format.
func TestLibrariesLogInTheSetFormat(t *testing.T) {
	status, out := failedStart(t, "2s", "--redis-url", "redis://"+freeAddr(t), "--api-key", key, "--data-dir", t.TempDir(), "--addr", "127.0.0.1:0",
		"--log-format", "text", "--log-level", "debug")
	require.Equal(t, exitFailed, status)
	require.Contains(t, strings.Join(out, "\n"), "redis client")
	for _, line := range out {
		require.True(t, strings.HasPrefix(line, "time="), line)
	}
	status, out = failedStart(t, "1s", "--redis-url", "redis://"+freeAddr(t), "--data-dir", t.TempDir())
	require.Equal(t, exitSettings, status)
	require.Len(t, out, 1)
	require.Contains(t, out[0], "--api-key")
}
