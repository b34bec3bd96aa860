package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// errNoHistory says that the previous release cannot be built here.
var errNoHistory = errors.New("the previous release is not here")

// previous builds the release before this one, which testdata/previous-release names, from the
// history of this tree.
var previous = sync.OnceValues(func() (string, error) {
	named, err := os.ReadFile("testdata/previous-release")
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(string(named))
	return testenv.Built("bellhop-"+commit+"-"+runtime.Version(), func(to string) error { return buildCommit(commit, to) })
})

func buildCommit(commit, to string) error {
	if exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run() != nil {
		return fmt.Errorf("%w: no history holds commit %s", errNoHistory, commit)
	}
	source, err := os.MkdirTemp(binDir, "previous")
	if err != nil {
		return err
	}
	unpack := exec.Command("sh", "-c", `git -C "$(git rev-parse --show-toplevel)" archive "$0" | tar -x -C "$1"`, commit, source)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = source, append(os.Environ(), "GOFLAGS=-buildvcs=false "+os.Getenv("GOFLAGS"), "GOWORK=off")
		return cmd.CombinedOutput()
	}
	if out, err := run("list", "-deps", "./app"); err != nil { // it fetches the modules that it wants
		return fmt.Errorf("%w: its modules are not: %s", errNoHistory, out)
	}
	if out, err := run("build", "-o", to, "./app"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// two are a node of the previous release and one of this version, on one Redis and one archive.
type two struct {
	t              *testing.T
	rdb            *testenv.RedisServer
	hook           *hostApp
	earlier, today string // programs
	dir            string
	mongo          string
}

// sideBySide gives both; nil where there is no previous release.
func sideBySide(t *testing.T) *two {
	t.Helper()
	earlier, err := previous()
	if errors.Is(err, errNoHistory) {
		t.Logf("not run side by side: %v; TestStoresOfAnEarlierVersion has what it stored", err)
		return nil
	}
	require.NoError(t, err)
	today, err := build()
	require.NoError(t, err)
	return &two{t, testenv.Redis(t), newHostApp(t), earlier, today, t.TempDir(), testenv.Mongo(t).URL() + "beside"}
}

func (b *two) start(bin string) process {
	b.t.Helper()
	return startProgram(b.t, bin, b.rdb.URL(), b.dir, b.hook.URL, "--mongo-url", b.mongo)
}

// audit is what a version's audit says, and whether all promises hold.
func (b *two) audit(bin string) (said string, clean bool) {
	b.t.Helper()
	out, err := exec.CommandContext(b.t.Context(), bin, "audit", "--redis-url", b.rdb.URL(), "--mongo-url", b.mongo, "--log-level", "error").CombinedOutput()
	return string(out), err == nil && bytes.Contains(out, []byte("all promises hold"))
}

// worksOn has people go on with what was filled, users at one node and staff at the other.
func (b *two) worksOn(w *world, users, staff process) {
	b.t.Helper()
	w.leave()
	w.node, w.desk = users, staff
	w.greetsTheSame()
	w.firesTimers()
	w.goesOn()
}

// alone has the rest be done at one node, with the other one gone; it is of the version that audits then.
func (b *two) alone(w *world, node process, bin string) {
	b.t.Helper()
	w.leave()
	w.node, w.desk = node, process{}
	w.come("ann")
	w.revives()
	w.knowsPeople()
	w.tells(b.hook)
	caughtUp(b.t, node.base)
	said, clean := b.audit(bin)
	require.True(b.t, clean, said)
}

// An upgrade: the previous release has sessions in every state when this version comes beside it. Users stay
// at the one, agents are at the other; then the earlier node goes.
func TestBesideThePreviousRelease(t *testing.T) {
	t.Parallel()
	b := sideBySide(t)
	if b == nil {
		return
	}
	earlier := b.start(b.earlier)
	w := newWorld(t, earlier)
	w.fill(b.rdb, b.hook)
	b.hook.answers(204)

	today := b.start(b.today)
	w.node = today
	w.saysTheSame()
	b.worksOn(w, earlier, today)
	require.Zero(t, earlier.stop())
	b.alone(w, today, b.today)
}

// And back: what this version began, beside a node of the previous release on whose deployment it is, that one
// works on, and goes on with alone. Then this version comes once more.
func TestBackToThePreviousRelease(t *testing.T) {
	t.Parallel()
	b := sideBySide(t)
	if b == nil {
		return
	}
	earlier := b.start(b.earlier)
	record := b.rdb.Client().Get(t.Context(), "bellhop:partitions").Val()
	today := b.start(b.today)
	w := newWorld(t, today)
	w.fill(b.rdb, b.hook)
	b.hook.answers(204)

	b.worksOn(w, today, earlier)
	require.Zero(t, today.stop())
	require.Zero(t, earlier.stop())
	require.Equal(t, record, b.rdb.Client().Get(t.Context(), "bellhop:partitions").Val(), "nothing says that it is a later version's")
	earlier = b.start(b.earlier)
	b.alone(w, earlier, b.earlier)

	require.Zero(t, earlier.stop())
	b.start(b.today) // finds out anew what the earlier one does not keep
	require.Eventually(t, func() bool {
		said, clean := b.audit(b.today)
		if !clean {
			t.Log(said)
		}
		return clean
	}, 20*time.Second, 200*time.Millisecond)
}

// What has a shape that this version does not know is left alone: by a node that starts, which says so in its log,
// too, by one that runs, and by every command.
func TestAShapeOfALaterVersionIsRefused(t *testing.T) {
	bin, err := build()
	require.NoError(t, err)
	rdb, dir := testenv.Redis(t), t.TempDir()
	t.Setenv("BELLHOP_API_KEY", key)
	args := []string{"--redis-url", rdb.URL(), "--data-dir", dir, "--log-format", "json"}
	addr := freeAddr(t)
	var log bytes.Buffer
	running := exec.CommandContext(t.Context(), bin, append([]string{"--addr", addr, "--drain", "100ms"}, args...)...)
	running.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	running.Stderr = &log
	require.NoError(t, running.Start())
	ready(t, addr)
	record := rdb.Client().Get(t.Context(), "bellhop:partitions").Val()
	require.Contains(t, record, `"shape":1`)
	require.NoError(t, rdb.Client().Set(t.Context(), "bellhop:partitions", strings.Replace(record, `"shape":1`, `"shape":2`, 1), 0).Err())

	refused := func(who string, status int, said string) {
		t.Helper()
		require.Equal(t, exitSettings, status, "%s: %s", who, said)
		require.Contains(t, said, "has shape 2, and this version knows shapes up to 1", who)
	}
	for _, command := range []string{"serve", "audit", "repartition"} {
		all := append([]string{command}, args...)
		if command == "repartition" {
			all = append(all, "--partitions", "8")
		}
		cmd := exec.CommandContext(t.Context(), bin, all...)
		out, _ := cmd.CombinedOutput()
		refused(command, cmd.ProcessState.ExitCode(), string(out))
		if command == "serve" {
			require.Contains(t, string(out), `"level":"ERROR","msg":"not started"`)
		}
	}
	_ = running.Wait() // it looks once a minute, or where a heartbeat tells of a change
	refused("the node that ran", running.ProcessState.ExitCode(), log.String())
}
