package main

import (
	"fmt"
	"net/http"
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

// leaver is somebody who notes when it was told to go.
type leaver struct {
	*party
	turn time.Time
}

func (l *leaver) saw(e client.Event) {
	if _, is := e.(*client.Closing); is {
		l.turn = time.Now()
	}
	l.party.saw(e)
}

// stoppable is a node's process with people at it, who do not come back. Ended gives its exit status.
func stoppable(t *testing.T, people int, drain string) (all []*leaver, base string, proc *os.Process, ended <-chan int) {
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
		p := &leaver{party: &party{t: t, id: name(fmt.Sprint("uma", i)), more: make(chan struct{})}}
		tok, err := api.IssueToken(t.Context(), client.TokenRequest{Role: "user", ID: p.id})
		require.NoError(t, err)
		p.Client, err = client.Dial(t.Context(), client.Options{URL: api.BaseURL, Token: tok.Token, NoReconnect: true, OnEvent: p.saw})
		require.NoError(t, err)
		t.Cleanup(p.Close)
		all = append(all, p)
	}
	return all, api.BaseURL, cmd.Process, status
}

// SIGTERM hands the connections over one after the other, over the time there is for it, and the process
// exits with 0 then.
func TestStoppingIsSpread(t *testing.T) {
	const drain = 2 * time.Second
	people, _, proc, ended := stoppable(t, 40, drain.String())
	began := time.Now()
	require.NoError(t, proc.Signal(syscall.SIGTERM))
	var turns []time.Duration
	pauses := map[int64]bool{}
	for _, p := range people {
		told := await(p.party, func(*client.Closing) bool { return true })
		require.LessOrEqual(t, told.ReconnectAfter, int64(1000), "nobody is away for long")
		pauses[told.ReconnectAfter] = true
		turns = append(turns, p.turn.Sub(began))
	}
	slices.Sort(turns)
	require.Greater(t, len(pauses), len(people)/2, "they come back apart")
	require.Greater(t, turns[len(turns)-1]-turns[0], drain/4, "%v", turns)
	require.Greater(t, turns[len(turns)/2], drain/8, "%v", turns)
	select {
	case status := <-ended:
		require.Zero(t, status)
	case <-time.After(drain + 15*time.Second):
		t.Fatal("it has not ended")
	}
}

// A second signal ends it at once, whatever is under way.
func TestASecondSignal(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			_, base, proc, ended := stoppable(t, 3, "10m")
			require.NoError(t, proc.Signal(syscall.SIGTERM))
			require.Eventually(t, func() bool {
				res, err := http.Get(base + "/readyz")
				if err != nil {
					return false
				}
				_ = res.Body.Close()
				return res.StatusCode == http.StatusServiceUnavailable
			}, 10*time.Second, 10*time.Millisecond, "it drains")
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
