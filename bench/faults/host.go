package faults

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// host is what the servers of internal/testenv take for their test: a run. What goes wrong with a
// server is an error of the harness, not a broken promise.
type host struct {
	testing.TB // its other methods are not called

	ctx context.Context //nolint:containedctx // a test's is the test's, too
	dir string

	mu       sync.Mutex
	cleanups []func()
	troubles []string
}

// stopped is what a server's Fatal ends: the work that asked for it.
type stopped struct{ why string }

func newHost(ctx context.Context) (*host, error) {
	dir, err := os.MkdirTemp("", "bellhop-faults-")
	return &host{ctx: ctx, dir: dir}, err
}

// guard does work with servers; an error is what they said that ended it.
func (h *host) guard(work func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case stopped:
			err = fmt.Errorf("harness: %s", v.why)
		default:
			panic(v)
		}
	}()
	work()
	return nil
}

// close ends all servers, the latest first, and gives what went wrong with them.
func (h *host) close() []string {
	for {
		h.mu.Lock()
		if len(h.cleanups) == 0 {
			h.mu.Unlock()
			break
		}
		last := h.cleanups[len(h.cleanups)-1]
		h.cleanups = h.cleanups[:len(h.cleanups)-1]
		h.mu.Unlock()
		if err := h.guard(last); err != nil {
			h.Errorf("%v", err)
		}
	}
	_ = os.RemoveAll(h.dir)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.troubles
}

func (h *host) Helper()                  {}
func (h *host) Name() string             { return "faults" }
func (h *host) Context() context.Context { return h.ctx }

// Cleanup implements testing.TB.
func (h *host) Cleanup(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleanups = append(h.cleanups, f)
}

// TempDir implements testing.TB.
func (h *host) TempDir() string {
	dir, err := os.MkdirTemp(h.dir, "")
	if err != nil {
		h.Fatal(err)
	}
	return dir
}

// Errorf implements testing.TB.
func (h *host) Errorf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.troubles = append(h.troubles, fmt.Sprintf(format, args...))
}

// Fatalf implements testing.TB.
func (h *host) Fatalf(format string, args ...any) { panic(stopped{fmt.Sprintf(format, args...)}) }

// Fatal implements testing.TB.
func (h *host) Fatal(args ...any) { panic(stopped{fmt.Sprint(args...)}) }
