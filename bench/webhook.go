package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hookEnd is where webhooks go: this process.
type hookEnd struct {
	server *httptest.Server // nil for none
	hangs  bool
	taken  atomic.Int64
}

// newHookEnd is one that "answers" or "hangs"; "" is none.
func newHookEnd(how string) *hookEnd {
	h := &hookEnd{hangs: how == "hangs"}
	if how == "" {
		return h
	}
	h.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if h.hangs {
			<-r.Context().Done()
			return
		}
		h.taken.Add(1)
	}))
	return h
}

func (h *hookEnd) args() []string {
	if h.server == nil {
		return nil
	}
	return []string{"--webhook-url", h.server.URL, "--webhook-secret", hookSecret}
}

// drained waits until all events have come, and tells how long the rest took.
func (h *hookEnd) drained(ctx context.Context, want int64) error {
	if h.server == nil || h.hangs {
		return nil
	}
	began, had := time.Now(), h.taken.Load()
	fmt.Printf("webhooks: %d of %d events taken when the last message was delivered\n", had, want)
	for last, at := had, time.Now(); h.taken.Load() < want; {
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
		if n := h.taken.Load(); n > last {
			last, at = n, time.Now()
		} else if time.Since(at) > 20*time.Second {
			return errors.New("webhooks: nothing came for 20 s")
		}
	}
	if s := time.Since(began).Seconds(); h.taken.Load() > had {
		fmt.Printf("the rest came within %.1f s, %.0f a second\n", s, float64(h.taken.Load()-had)/s)
	}
	return nil
}

func (h *hookEnd) stop() {
	if h.server != nil {
		h.server.CloseClientConnections()
		h.server.Close()
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
