//go:build !race

// The race detector itself takes several times the memory and time that are measured here.

package files

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cost is what something took of this process and of those it started.
type cost struct {
	memory int64         // bytes: how much this one grew, and the largest other
	cpu    time.Duration // of all
	others time.Duration // of the others alone
	wall   time.Duration
}

func (c cost) String() string {
	return fmt.Sprintf("%d MiB, %.2f s of a core, %.2f s", c.memory>>20, c.cpu.Seconds(), c.wall.Seconds())
}

// cpu is the time of a core that this process has had, or those it started.
func cpu(t testing.TB, who int) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(who, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// status reads a size of a process, in bytes; 0 where there is no such process.
func status(pid, field string) int64 {
	data, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	_, rest, _ := strings.Cut(string(data), "\n"+field+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n << 10
}

// workersOf are the processes that this one has started and that have not ended.
func workersOf() []string { return childrenOf("self") }

func childrenOf(pid string) (pids []string) {
	threads, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, name := range threads {
		data, _ := os.ReadFile(name)
		pids = append(pids, strings.Fields(string(data))...)
	}
	return pids
}

// measure tells what f takes.
func measure(t testing.TB, f func()) cost {
	t.Helper()
	debug.FreeOSMemory()
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // the highest from now on
	mine, others := cpu(t, syscall.RUSAGE_SELF), cpu(t, syscall.RUSAGE_CHILDREN)
	began, own := time.Now(), status("self", "VmRSS")
	done := make(chan struct{})
	peak := make(chan int64)
	go func() {
		highest := int64(0)
		for {
			for _, pid := range workersOf() {
				highest = max(highest, status(pid, "VmHWM"))
			}
			select {
			case <-done:
				peak <- highest
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	f()
	c := cost{wall: time.Since(began), others: cpu(t, syscall.RUSAGE_CHILDREN) - others}
	c.cpu = c.others + cpu(t, syscall.RUSAGE_SELF) - mine
	close(done)
	c.memory = <-peak + status("self", "VmHWM") - own
	return c
}

const (
	mostMemory = 256 << 20
	mostCPU    = 2 * time.Second
)

// worst are, for each kind, the most costly uploads known: made to be as large as
// is looked at, or a little larger.
func worst(t testing.TB) map[string]func() []byte {
	const noise = "\x00\x00\x00\x01zzzz\x00\x00\x00\x00\x00"
	return map[string]func() []byte{
		"webp, metadata claims 4 GiB": claimingWebP,
		"png, metadata claims 4 GiB":  func() []byte { return claimingPNG(t, "zTXt") },
		"png, profile claims 4 GiB":   func() []byte { return claimingPNG(t, "iCCP") },
		"gif, 50 frames of 6320²":     func() []byte { return movingGIF(t, 6320, 50) },
		"gif, one frame of 7000²":     func() []byte { return movingGIF(t, 7000, 1) },
		"gif, 5000 frames":            func() []byte { return movingGIF(t, 300, 5000) },
		"gif, blocks of one byte": func() []byte {
			return join(gifOf(t)[:13+12], "\x21\xfe", bytes.Repeat([]byte{1, 1}, 10<<20-50), "\x00\x3b")
		},
		"jpeg, 2200 scans":         func() []byte { return scannedJPEG(4096, 4096, 2200) },
		"jpeg, 100 scans of 33 MP": func() []byte { return scannedJPEG(5760, 5760, 100) },
		"jpeg, 49 MP":              func() []byte { return hugeJPEG(t, 7040, 7000) },
		"jpeg, 20 MiB of one scan": func() []byte {
			return join(scannedJPEG(64, 64, 1)[:230], bytes.Repeat([]byte{0xff, 0}, 10<<20-200), "\xff\xd9")
		},
		"png, 41 MP":                func() []byte { return hugePNG(6400, 6500, 8, 6, 0, 4) },
		"png, 20 MP interlaced":     func() []byte { return hugePNG(4500, 4600, 8, 6, 1, 4) },
		"png, 20 MP of 16 bits":     func() []byte { return hugePNG(4500, 4600, 16, 6, 0, 8) },
		"png, 65535² and too large": func() []byte { return hugePNG(65535, 65535, 1, 0, 0, 0) },
		"png, empty chunks": func() []byte {
			p := picture(t, 1, 1)
			return join(p[:33], bytes.Repeat(chunk("teSt", ""), 1740000), p[33:])
		},
		"webp, 20 MP lossless":           func() []byte { return hugeWebP(4500, 4600) },
		"webp, 16384² lossless":          func() []byte { return hugeWebP(16384, 16384) },
		"mp4, 2.6 million boxes":         func() []byte { return boxes(2_600_000) },
		"mp4, as many boxes as are read": func() []byte { return boxes(maxBoxes - 10) },
		"webm, 10 million elements":      func() []byte { return join("\x1a\x45\xdf\xa3\x80", bytes.Repeat([]byte{0xe7, 0x80}, 10<<20-10)) },
		"webm, as many voids as are read": func() []byte {
			return join("\x1a\x45\xdf\xa3\x80", bytes.Repeat([]byte{0xec, 0x80, 0xe7, 0x80}, 5<<20-10))
		},
		"amr, empty frames": func() []byte { return join("#!AMR\n", bytes.Repeat([]byte{0x7c}, 20<<20-10)) },
		"mp3, no frame": func() []byte {
			return join("ID3\x03\x00\x00\x00\x00\x00\x00", bytes.Repeat([]byte("\xff\xfb\xff"), 20<<20/3-10))
		},
		"zip, small entries": func() []byte { return join("PK\x03\x04", bytes.Repeat([]byte(noise), 1<<20)) },
	}
}

// The most costly uploads of each kind: bounded in memory and in time, whatever they claim.
func TestWorstUploads(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	s.put(t, "x.png", picture(t, 9, 9))
	for name, build := range worst(t) {
		data := build()
		require.LessOrEqual(t, len(data), MaxSize, name)
		var f *File
		var err error
		c := measure(t, func() { f, err = s.Put(t.Context(), "u:uma", name, bytes.NewReader(data)) })
		require.NoError(t, err, name)
		kind := fmt.Sprint(f.Mime, " ", f.Width, "×", f.Height)
		t.Logf("%-34s %9d bytes: %s: %s", name, len(data), c, kind)
		assert.LessOrEqual(t, c.memory, int64(mostMemory), "%s: %s", name, c)
		assert.LessOrEqual(t, c.cpu, mostCPU, "%s: %s", name, c)
	}
	require.Empty(t, workersOf(), "none is left, not even ended")
}

// Whatever gets past the first look is ended when it has had its memory or time.
func TestAProcessIsBounded(t *testing.T) {
	w := newWorkers(program)
	start := func(ctx context.Context, data []byte) (err error) {
		in := upload(t, data)
		_, err = in.Seek(0, 0)
		require.NoError(t, err)
		_, err = w.thumbnail(ctx, "", in, 1)
		return err
	}
	for name, data := range map[string][]byte{"time": scannedJPEG(4096, 4096, 2200), "memory": hugePNG(30000, 30000, 8, 0, 0, 0),
		"memory in pieces": hugePNG(20000, 20000, 8, 6, 1, 0)} {
		var err error
		c := measure(t, func() { err = start(t.Context(), data) })
		t.Log(name, c)
		assert.ErrorIs(t, err, errCostly, name)
		assert.LessOrEqual(t, c.memory, int64(mostMemory), name)
		assert.LessOrEqual(t, c.others, mostCPU, name) // looking at them takes time, too
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	require.ErrorIs(t, start(ctx, scannedJPEG(4096, 4096, 2200)), context.Canceled)
	require.Less(t, time.Since(began), 1500*time.Millisecond)
	require.Empty(t, workersOf())
	require.NoError(t, start(t.Context(), picture(t, 9, 9)), "and its place is free")
}

// Whoever uploads many pictures that take long keeps nobody else waiting for all of them.
func TestOneUploaderKeepsNobodyWaiting(t *testing.T) {
	w := newWorkers(program)
	ctx, cancel := context.WithCancel(t.Context())
	slow := scannedJPEG(4096, 4096, 2200)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range 2 * cap(w.places) {
		in := upload(t, slow)
		_, err := in.Seek(0, 0)
		require.NoError(t, err)
		all.Go(func() { _, _ = w.thumbnail(ctx, "u:many", in, 1) })
	}
	require.Eventually(t, func() bool { return len(workersOf()) > 0 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.turns["u:many"].n == 2*cap(w.places)
	}, 5*time.Second, time.Millisecond, "all of them wait")
	for range 3 {
		in := upload(t, picture(t, 9, 9))
		_, err := in.Seek(0, 0)
		require.NoError(t, err)
		_, err = w.thumbnail(t.Context(), "u:other", in, 1)
		require.NoError(t, err)
	}
	if cap(w.places) > 1 { // another would have begun before these
		require.Len(t, workersOf(), 1, "one at a time")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(t, 2*cap(w.places), w.turns["u:many"].n, "the others were done with while the first was looked at")
	require.NotContains(t, w.turns, "u:other")
}

// A node that is killed takes the process with it that looks at a picture.
func TestAProcessEndsWithItsNode(t *testing.T) {
	node := exec.CommandContext(t.Context(), program)
	in := upload(t, scannedJPEG(4096, 4096, 2200))
	_, err := in.Seek(0, 0)
	require.NoError(t, err)
	node.Stdin, node.Env = in, append(os.Environ(), parentWord+"=1")
	require.NoError(t, node.Start())
	var worker string
	require.Eventually(t, func() bool {
		pids := childrenOf(strconv.Itoa(node.Process.Pid))
		if len(pids) == 1 && status(pids[0], "VmRSS") > 0 {
			worker = pids[0]
		}
		return worker != ""
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, node.Process.Kill())
	_ = node.Wait()
	require.Eventually(t, func() bool { return status(worker, "VmRSS") == 0 }, time.Second, 5*time.Millisecond, "it goes on")
}
