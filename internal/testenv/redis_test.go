package testenv

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// asChild makes the test binary start a server, say where, and hang.
const asChild = "BELLHOP_TESTENV_CHILD"

func TestMain(m *testing.M) {
	os.Exit(Main(m))
}

func TestRedisLosesWhatItHeldWhenKilled(t *testing.T) {
	t.Parallel()
	r := Redis(t)
	ctx := t.Context()
	if err := r.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	addr := r.Addr()
	r.Kill()
	if r.Running() || r.ping() == nil {
		t.Fatal("it answers after Kill")
	}
	r.Kill() // again is fine
	r.Restart()
	if r.Addr() != addr {
		t.Fatalf("restarted on %s, not %s", r.Addr(), addr)
	}
	if err := r.Client().Get(ctx, "k").Err(); !errors.Is(err, redis.Nil) {
		t.Fatalf("got %v, want nothing", err)
	}
}

func TestRedisKeepsItsFileAcrossARestart(t *testing.T) {
	t.Parallel()
	r := Redis(t, "--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "64mb")
	ctx := t.Context()
	if err := r.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	r.Restart()
	if v, err := r.Client().Get(ctx, "k").Result(); err != nil || v != "v" {
		t.Fatalf("got %q, %v", v, err)
	}
	if v := r.Client().ConfigGet(ctx, "maxmemory").Val()["maxmemory"]; v != "67108864" {
		t.Fatalf("maxmemory %s", v)
	}
}

func TestRedisPauses(t *testing.T) {
	t.Parallel()
	r := Redis(t)
	r.Pause()
	if r.Running() || r.ping() == nil {
		t.Fatal("it answers while paused")
	}
	r.Resume()
	if err := r.ping(); err != nil || !r.Running() {
		t.Fatal(err)
	}
	r.Pause()
	r.Restart() // a paused one can be killed
	if err := r.ping(); err != nil {
		t.Fatal(err)
	}
}

// recorder is a test that notes its failure instead of failing.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	panic(r)
}

func TestRedisSaysWhyItDidNotStart(t *testing.T) {
	t.Parallel()
	rec := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(rec) {
				panic(p)
			}
		}()
		Redis(rec, "--maxmemory-policy", "nonsense")
	}()
	if !strings.Contains(rec.failure, "it ended") || !strings.Contains(rec.failure, "nonsense") {
		t.Fatalf("failed with %q", rec.failure)
	}
}

// TestServersDieWithTheTest kills a test binary, as a time-out or an
// interrupted build does, and looks for the servers it had started.
func TestServersDieWithTheTest(t *testing.T) {
	t.Parallel()
	if os.Getenv(asChild) != "" {
		fmt.Println("at", Redis(t).Addr(), Nginx(t, "server { listen {{listen}}; }", nil).Addr())
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServersDieWithTheTest$")
	cmd.Env = append(os.Environ(), asChild+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := ""
	for lines := bufio.NewScanner(out); at == "" && lines.Scan(); {
		at, _ = strings.CutPrefix(lines.Text(), "at ")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	servers := strings.Fields(at)
	if len(servers) != 2 {
		t.Fatalf("the child started %q", at)
	}
	for _, addr := range servers {
		err = eventually(10*time.Second, func() error {
			if c, err := net.Dial("tcp", addr); err == nil {
				_ = c.Close()
				return errors.New("it outlived the test")
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestPortsAreHeldForOneTest(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 3)
	for _, p := range ports {
		if hold, err := holdPort(p); err == nil {
			_ = hold.Close()
			t.Fatalf("port %v was given twice", p)
		}
	}
}

func TestEachStartsEveryEngine(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, url string) {
		t.Parallel()
		useEngine(t, url)
	})
}

func TestSharedEnginesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	EachShared(t, func(t *testing.T, url string) {
		useEngine(t, url)
		_, kind, _ := strings.Cut(t.Name(), "/")
		if again := Shared(t, Engine(kind)); again != url {
			t.Fatalf("%s, then %s", url, again)
		}
	})
}

func useEngine(t *testing.T, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := Client(t, url)
	if v, err := c.Incr(ctx, rand.Text()).Result(); err != nil || v != 1 { // an id of its own, also with -count=2
		t.Fatalf("%s: got %d, %v", url, v, err)
	}
}
