package testenv

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// shared are the engines of this process that many tests use.
var shared struct {
	mu      sync.Mutex
	main    bool              // Main runs, so somebody will stop them
	urls    map[string]string // by engine, or by the test whose own it is; "" for one that did not start
	cleanup []func()
	refused []string // what servers refused Bellhop, told when they end
}

// Shared returns the URL of an engine that all tests of this process share. It
// is started by the first that asks and stopped by Main. Nothing is ever
// flushed: tests keep apart by using ids of their own, new ones in each run
// (-count), and none may kill it. The embedded one is a test's own: it starts in
// no time, and gets slow with all that many tests leave in it.
func Shared(t testing.TB, e Engine) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("testenv: Shared needs `func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }` in this package")
	}
	name, of := string(e), testing.TB(processTB{t})
	if e == EngineEmbedded {
		name, of = t.Name(), t
	}
	if url, started := shared.urls[name]; started {
		if url == "" {
			t.Fatalf("testenv: the shared %s did not start; an earlier test says why", e)
		}
		return url
	}
	if shared.urls == nil {
		shared.urls = make(map[string]string)
	}
	shared.urls[name] = ""
	if e == EngineEmbedded {
		t.Cleanup(func() {
			shared.mu.Lock()
			defer shared.mu.Unlock()
			delete(shared.urls, name)
		})
	}
	shared.urls[name] = e.Start(of)
	return shared.urls[name]
}

// Main runs the tests, stops the shared engines, and then, if all passed,
// looks for goroutines that they left behind. It returns the exit status.
func Main(m *testing.M, opts ...goleak.Option) int {
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()

	code := m.Run()
	if refused := stopShared(); refused != "" {
		fmt.Fprintln(os.Stderr, refused)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(opts...); err != nil {
			fmt.Fprintln(os.Stderr, "testenv:", err)
			return 1
		}
	}
	return code
}

// stopShared says what the engines had refused.
func stopShared() (refused string) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for i := len(shared.cleanup) - 1; i >= 0; i-- {
		shared.cleanup[i]()
	}
	refused = strings.Join(shared.refused, "\n")
	shared.cleanup, shared.urls, shared.refused, shared.main = nil, nil, nil, false
	return refused
}

// Process is a test that lasts as long as the process: what it cleans up is
// cleaned up by Main. It must be used from one goroutine at a time.
func Process(t testing.TB) testing.TB { return processTB{t} }

// processTB is a test that lasts as long as the process: failures are the
// asking test's, while folders and cleanups wait for Main. Used only under
// the lock of shared.
type processTB struct{ testing.TB }

func (processTB) Cleanup(fn func()) { shared.cleanup = append(shared.cleanup, fn) }

// Errorf is what is found when servers end: then no test is there to fail.
func (processTB) Errorf(format string, args ...any) {
	shared.refused = append(shared.refused, fmt.Sprintf(format, args...))
}

func (p processTB) TempDir() string {
	p.Helper()
	dir, err := os.MkdirTemp("", "bellhop-testenv-")
	if err != nil {
		p.Fatalf("testenv: %v", err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
