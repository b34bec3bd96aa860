package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// gcRoom is how many bytes the heap may grow between two collections, at
// least. A small heap would otherwise be collected many times a second under
// load, and each time the stacks of all connections are scanned and shrunk.
const gcRoom = 64 << 20

// tuneGC keeps that room until stopped; a GOGC in the environment is left alone.
func tuneGC() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for now := 100; ; {
			metrics.Read(live)
			want := gcPercent(live[0].Value.Uint64())
			if want != now { // setting it stops the world for a moment
				now = want
				debug.SetGCPercent(now)
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// gcPercent is 100, Go's own, or as much more as gives a heap its room: by
// fifties, and at most 400.
func gcPercent(live uint64) int {
	percent := uint64(400)
	if live > 0 {
		percent = min(percent, gcRoom*100/live/50*50)
	}
	return int(max(100, percent))
}
