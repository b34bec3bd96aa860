package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sleep waits; false when the context ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Jitter is d less up to a quarter, so that nodes do not march in step.
func Jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4+1)) //nolint:gosec // no secret
}

// Milliseconds of so many seconds, as scripts are told.
func Milliseconds(seconds int) int64 { return int64(seconds) * 1000 }
