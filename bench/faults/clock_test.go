package faults

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// The wall clock of one process jumps, a C program's; nobody else's does.
func TestRedissClockJumps(t *testing.T) {
	r := testenv.Redis(t)
	ahead := func() time.Duration { return time.Until(r.Client().Time(t.Context()).Val()) }
	require.InDelta(t, 0, ahead().Seconds(), 5)
	require.NoError(t, r.Client().Set(t.Context(), "k", "v", 10*time.Minute).Err())
	require.NoError(t, setClock(r.Pid(), -time.Hour))
	require.InDelta(t, -3600, ahead().Seconds(), 5)
	require.Greater(t, r.Client().TTL(t.Context(), "k").Val(), time.Hour)
	require.NoError(t, setClock(r.Pid(), time.Hour))
	require.InDelta(t, 3600, ahead().Seconds(), 5)
	require.Zero(t, r.Client().Exists(t.Context(), "k").Val())
	require.NoError(t, setClock(r.Pid(), 0))
	require.InDelta(t, 0, ahead().Seconds(), 5)
}

const asClock = "BELLHOP_FAULTS_CLOCK"

// Nor is it otherwise with a program of Go's; its timers go by another clock.
func TestANodesClockJumps(t *testing.T) {
	if os.Getenv(asClock) != "" {
		began := time.Now()
		_, _ = os.Stdout.WriteString("began")
		for ; ; time.Sleep(10 * time.Millisecond) {
			if time.Now().Round(0).Sub(began.Round(0)) > 30*time.Minute {
				if time.Since(began) > time.Minute {
					os.Exit(3)
				}
				os.Exit(42)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestANodesClockJumps$")
	cmd.Env = append(os.Environ(), asClock+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("began")))
	require.NoError(t, err)
	require.NoError(t, setClock(cmd.Process.Pid, time.Hour))
	_ = cmd.Wait()
	require.Equal(t, 42, cmd.ProcessState.ExitCode())
}
