package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// What is said and done on two nodes is seen in one view, beside one that does not answer; no key is shown.
func TestTop(t *testing.T) {
	redis := testenv.Redis(t).URL()
	one, two := startNode(t, redis), startNode(t, redis)
	q, deserted := name("队列"), name("deserted")
	uma, ann := user(t, one), dial(t, two, client.TokenRequest{Role: "agent", ID: name("ann"), Name: "王小明", Queues: []string{q}, Capacity: 3})
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	for range 2 {
		user(t, one).open(deserted)
	}
	over := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = uma.SendText(t.Context(), s.ID, fmt.Sprint(i))
				_, _ = ann.Grab(t.Context(), "nothing")
			}
		}
	})
	defer talking.Wait()
	defer close(over)
	var out, bad bytes.Buffer
	gone := freeAddr(t)
	status := run(t.Context(), []string{"top", "--once", "--every", "1s", "--url", one.url() + "," + two.url() + "/", "--url", "http://" + marker + ":" + marker + "@" + gone, "--api-key", key}, &out, &bad)
	require.Zero(t, status, bad.String())
	t.Log(out.String())
	for _, want := range []string{
		`2 of 3 nodes answer, 4 connections`, regexp.QuoteMeta(gone) + ` does not answer: .*refused`, `waiting 2 \(oldest \d+s\)  serving 1 `,
		`rates +[1-9]\d*\.\d messages/s  [1-9]\d*\.\d delivered/s`, `send +p50 [1-9][\d.]*(µs|ms|s)  p99 [1-9]`, `redis +p50 [1-9].* [1-9][\d.]* scripts/s`,
		`archive +lag \d+s, \d+ messages`, `events +lag 0s, 0 sessions`, `refused +not_found [1-9]`,
		`(?m)^` + deserted + ` +\S+ +2 +\d+s +0 +0 of 0$`, `(?m)^` + q + ` +\S+ +0 +- +1 +1 of 1 grab`, `(?m)^` + ann.id + ` +王小明 +online +1 of 3 +33% ` + q,
		`(?m)^` + regexp.QuoteMeta(one.Addr()) + ` +ready +3 `, `(?m)^` + regexp.QuoteMeta(two.Addr()) + ` +ready +1 `, `(?m)^` + regexp.QuoteMeta(gone) + ` +no answer$`,
	} {
		require.Regexp(t, want, out.String())
	}
	require.Less(t, strings.Index(out.String(), deserted), strings.Index(out.String(), q+" "), "the most waiting come first")
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String()+bad.String(), marker)
	require.NotContains(t, out.String()+bad.String(), key)

	out.Reset()
	require.Zero(t, run(t.Context(), []string{"top", "--url", one.url(), "--api-key="}, &out, &bad), bad.String())
	require.Contains(t, out.String(), one.Addr())
	require.NotContains(t, out.String(), q, "without a key there are metrics alone")
}

// What cannot be looked at is refused in a sentence.
func TestTopRefuses(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--url", n.url(), "--api-key", marker}, exitFailed, "bellhop: --api-key: the node refused it\n"},
		{[]string{"--url", "http://" + freeAddr(t), "--api-key", marker}, exitFailed, "bellhop: no node answers\n"},
		{[]string{"--url", n.Addr() + marker}, exitSettings, "--url: it is not http(s)://host:port, a base path after it or not\n"},
		{[]string{"--url", n.url() + "?" + marker}, exitSettings, "--url: it is not http"},
		{[]string{"--url", n.url() + ",ftp://" + marker}, exitSettings, "--url: it is not http"},
		{[]string{"--url", ""}, exitSettings, "--url: a node's address, one at least\n"},
		{[]string{"--every", "1ms"}, exitSettings, "--every: 500ms to 1m\n"},
	} {
		var out, bad bytes.Buffer
		require.Equal(t, c.status, run(t.Context(), append([]string{"top", "--once"}, c.args...), &out, &bad), "%q: %s", c.args, bad.String())
		require.Contains(t, bad.String(), c.says)
		require.Equal(t, 1, strings.Count(bad.String(), "\n"))
		require.NotContains(t, out.String()+bad.String(), marker, "%q", c.args)
	}
}

// screen is a terminal, and what a program has written to it.
type screen struct {
	*os.File
	mu   sync.Mutex
	seen bytes.Buffer
}

// openScreen makes a terminal; the program's end of it is the other file.
func openScreen(t *testing.T, columns, rows uint16) (*screen, *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	s := &screen{File: master}
	done := make(chan struct{})
	go func() {
		defer close(done)
		page := make([]byte, 4096)
		for {
			n, err := master.Read(page)
			s.mu.Lock()
			s.seen.Write(page[:n])
			s.mu.Unlock()
			if err != nil {
				return // nobody has the other end any more
			}
		}
	}()
	t.Cleanup(func() {
		_ = program.Close()
		<-done
		_ = master.Close()
	})
	return s, program
}

// awaits waits until the program has written a text since it was last asked.
func (s *screen) awaits(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, after, found := strings.Cut(s.seen.String(), text)
		if found {
			s.seen.Reset()
			s.seen.WriteString(after)
		}
		return found
	}, 20*time.Second, 20*time.Millisecond, "%q", text)
}

// In a terminal it goes on until q, shows the table that keys ask for, a node that goes away, and no colours with NO_COLOR.
func TestTopInATerminal(t *testing.T) {
	bin, err := build()
	require.NoError(t, err)
	redis := testenv.Redis(t).URL()
	one, two := startNode(t, redis), startNode(t, redis)
	ann := agent(t, one, name("q"))
	for _, plain := range []bool{false, true} {
		s, program := openScreen(t, 100, 30)
		cmd := exec.Command(bin, "top", "--every", "500ms", "--url", one.url()+","+two.url(), "--api-key", key)
		cmd.Env = append(os.Environ(), "TERM=xterm-256color")
		if plain {
			cmd.Env = append(cmd.Env, "NO_COLOR=1")
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		s.awaits(t, "q quit")
		_, err := s.WriteString("\t")
		require.NoError(t, err)
		s.awaits(t, ann.id)
		if !plain {
			two.stop()
			s.awaits(t, "does not answer")
		}
		_, err = s.WriteString("q")
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
		s.mu.Lock()
		require.False(t, plain && regexp.MustCompile(`\x1b\[[\d;]*3\dm`).Match(s.seen.Bytes()), "%q", s.seen.String())
		s.mu.Unlock()
	}
}
