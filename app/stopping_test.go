package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// stoppable is a node's process with people at it, who do not come back. Ended gives its exit status.
func stoppable(t *testing.T, people int, drain string) (all []*party, proc *os.Process, ended <-chan int) {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	redisURL, addr := testenv.Shared(t, testenv.EngineRedis), freeAddr(t)
	cmd := exec.CommandContext(t.Context(), bin, "--addr", addr, "--redis-url", redisURL, "--data-dir", dataOf(t, redisURL), "--api-key", key, "--log-level", "error", "--drain", drain)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	status := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		status <- cmd.ProcessState.ExitCode()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	ready(t, addr)
	api := client.API{BaseURL: "http://" + addr, Key: key}
	for i := range people {
		p := &party{t: t, id: name(fmt.Sprint("uma", i)), more: make(chan struct{})}
		tok, err := api.IssueToken(t.Context(), client.TokenRequest{Role: "user", ID: p.id})
		require.NoError(t, err)
		p.Client, err = client.Dial(t.Context(), client.Options{URL: api.BaseURL, Token: tok.Token, NoReconnect: true, OnEvent: p.saw})
		require.NoError(t, err)
		t.Cleanup(p.Close)
		all = append(all, p)
	}
	return all, cmd.Process, status
}

// SIGTERM hands the connections over one after the other, over the time there is for it, and the process
// exits with 0 then.
func TestStoppingIsSpread(t *testing.T) {
	const drain = 2 * time.Second
	people, proc, ended := stoppable(t, 40, drain.String())
	began := time.Now()
	require.NoError(t, proc.Signal(syscall.SIGTERM))
	var after []int64
	for _, p := range people {
		after = append(after, await[*client.Closing](p, nil).ReconnectAfter)
	}
	slices.Sort(after)
	for i, ms := range after { // even, but for chance
		require.InDelta(t, 1500*(i+1)/(len(after)+1), ms, 600, "%d", after)
	}
	require.Greater(t, len(slices.Compact(after)), 30)
	select {
	case status := <-ended:
		require.Zero(t, status)
		require.Greater(t, time.Since(began), time.Duration(after[len(after)-1])*time.Millisecond, "nobody is cut off before its time")
	case <-time.After(drain + 15*time.Second):
		t.Fatal("it has not ended")
	}
}

// A second signal ends it at once, whatever is under way.
func TestASecondSignal(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			people, proc, ended := stoppable(t, 3, "10m")
			require.NoError(t, proc.Signal(syscall.SIGTERM))
			for _, p := range people {
				await[*client.Closing](p, nil)
			}
			select {
			case status := <-ended:
				t.Fatalf("it ended by the first, with %d", status)
			case <-time.After(200 * time.Millisecond):
			}
			require.NoError(t, proc.Signal(sig))
			select {
			case status := <-ended:
				require.Equal(t, want, status)
			case <-time.After(5 * time.Second):
				t.Fatal("it has not ended")
			}
		})
	}
}
