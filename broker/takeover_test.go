package broker

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// neighbour is a node in a process of its own, until the test's end.
func neighbour(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), doomedNode+"=never|"+url+"|")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// met waits until a node knows of so many, itself included.
func met(t testing.TB, b *Broker, nodes int) {
	t.Helper()
	eventually(t, func() bool {
		b.heart.mu.Lock()
		defer b.heart.mu.Unlock()
		return len(b.heart.workers) == nodes
	})
}

// fires has a timer fall due in each partition and gives how long it took until the last was carried out.
func fires(t testing.TB, b *Broker, parts []store.Partition) time.Duration {
	t.Helper()
	ctx, began := t.Context(), time.Now()
	timers := make([]string, len(b.store.Parts))
	for _, p := range parts {
		for timers[p.Index] == "" {
			id := b.store.NewSessionID(name("uma"))
			if at, _ := b.store.Of(id); at.Index == p.Index {
				timers[p.Index] = "idle|" + id // nobody has it, so nothing is to be done
			}
		}
		require.NoError(t, b.store.FallsDue(ctx, p.Timers(), 0, "", timers[p.Index]))
	}
	eventually(t, func() bool {
		for _, p := range parts {
			due, err := b.store.Redis.ZScore(ctx, p.Timers(), timers[p.Index]).Result()
			if err == nil && due < float64(began.Add(store.TakeLease/2).UnixMilli()) { // neither lent nor done
				return false
			}
		}
		return true
	})
	return time.Since(began)
}

// Of the nodes that look after a partition one dies, or is stopped: nothing is later than ever. Both do:
// another one has found out within six seconds, and goes on. One that is continued takes its part again.
func TestWhoLooksAfterAPartitionDies(t *testing.T) {
	t.Parallel()
	const always, bound, slack = 1100 * time.Millisecond, 6 * time.Second, time.Second // for a machine that has other things to do
	for what, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run("one is "+what, func(t *testing.T) {
			t.Parallel()
			url := testenv.Redis(t).URL()
			other := neighbour(t, url)
			b := startNode(t, url, noArchive)
			met(t, b, 2)
			require.NoError(t, other.Process.Signal(signal))
			require.Less(t, fires(t, b, b.store.Parts), always+slack)
		})
		t.Run("both are "+what, func(t *testing.T) {
			t.Parallel()
			url := testenv.Redis(t).URL()
			others := []*exec.Cmd{neighbour(t, url), neighbour(t, url), neighbour(t, url)}
			b := startNode(t, url, noArchive)
			met(t, b, 4)
			var theirs []store.Partition
			for _, p := range b.store.Parts {
				if !b.works(p) {
					theirs = append(theirs, p)
				}
			}
			require.NotEmpty(t, theirs)
			for _, o := range others {
				require.NoError(t, o.Process.Signal(signal))
			}
			took := fires(t, b, theirs)
			require.Less(t, took, bound+slack)
			require.Greater(t, took, always, "nobody else was there to do it")
			if signal == syscall.SIGSTOP {
				for _, o := range others {
					require.NoError(t, o.Process.Signal(syscall.SIGCONT))
				}
				met(t, b, 4)
				for _, p := range theirs {
					require.False(t, b.works(p))
				}
			}
		})
	}
}

// A node that stops in good order leaves its partitions at once.
func TestANodeThatStopsLeavesItsPartitions(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	b := startNode(t, url, noArchive)
	var others []*Broker
	for range 3 {
		others = append(others, startNode(t, url, noArchive))
	}
	settledWorkers(t, append(others, b))
	for _, o := range others {
		require.NoError(t, o.Close(t.Context()))
	}
	began := time.Now()
	met(t, b, 1)
	require.Less(t, time.Since(began), time.Second)
	for _, p := range b.store.Parts {
		require.True(t, b.works(p))
	}
}

// Two of four nodes look after a partition whose keys go back under a server that goes on: all four notice, as soon as one does.
func TestEveryNodeNoticesAFallBack(t *testing.T) {
	t.Parallel()
	url, ctx := testenv.Redis(t).URL(), t.Context()
	var nodes []*Broker
	for range 4 {
		nodes = append(nodes, startNode(t, url, noArchive, func(o *Options) { o.Partitions = 4 }))
	}
	settledWorkers(t, nodes)
	b := nodes[0]
	for _, p := range []store.Partition{b.store.Parts[2], b.store.Parts[0]} { // all beat in the first one
		ticks := func() int64 { n, _ := b.store.Redis.HGet(ctx, p.Epoch(), "ticks").Int64(); return n }
		before, img := ticks(), imageOf(t, b, p)
		eventually(t, func() bool { return ticks() > before+4 }) // whoever looks has seen them grow
		counts, began := seen(nodes), time.Now()
		img.restore(t, b, p)
		eventually(t, func() bool {
			for i, n := range seen(nodes) {
				if n == counts[i] {
					return false
				}
			}
			return true
		})
		require.Less(t, time.Since(began), 2*time.Second, "a second, and one for the machine")
		met(t, b, len(nodes))
	}
	clean(t, b)
}

// All nodes died at once, and Redis still has them on its list: who comes then looks after everything at once.
func TestANodeAfterACrashOfAll(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	first := startNode(t, url, noArchive)
	ctx, home := t.Context(), first.store.Parts[0]
	for i := range 5 {
		require.NoError(t, first.store.Redis.HSet(ctx, home.Alive(), fmt.Sprint("dead ", i), "99|").Err())
	}
	b := startNode(t, url, noArchive)
	require.NoError(t, first.Close(ctx))
	require.Less(t, fires(t, b, b.store.Parts), 2100*time.Millisecond)
	eventually(t, func() bool { return b.store.Redis.HLen(ctx, home.Alive()).Val() == 1 })
}
