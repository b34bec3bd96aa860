// Package heap gives the program's heap the room that suits many connections: more than Go's
// own where there is little in it, and none that is of no use once a rush is over.
package heap

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// room is how many bytes the heap may grow between two collections, at
// least. A small heap would otherwise be collected many times a second under
// load, and each time the stacks of all connections are scanned and shrunk.
const room = 64 << 20

// Tune keeps that room until stopped, and gives memory back when the node comes
// to rest; a GOGC in the environment is left alone.
func Tune() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
		var r rest
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for now := 100; ; {
			metrics.Read(heap)
			want := percentFor(heap[0].Value.Uint64())
			if want != now { // setting it stops the world for a moment
				now = want
				debug.SetGCPercent(now)
			}
			if r.begins(heap[1].Value.Uint64()) {
				debug.FreeOSMemory()
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

// What a node at rest allocates at most in a second, and how many seconds it takes to be called so.
const (
	restRate = 4 << 20
	restTime = 10
)

// rest tells when a node has come to rest: after a rush the heap has up to as
// much room as it has content, and nothing would collect it for minutes.
type rest struct {
	last  uint64 // bytes allocated by then
	quiet int    // seconds
}

// begins is asked once a second, and is true once for each rest.
func (r *rest) begins(allocated uint64) bool {
	busy := allocated-r.last > restRate
	if r.last = allocated; busy {
		r.quiet = 0
		return false
	}
	r.quiet++
	return r.quiet == restTime
}

// percentFor is 100, Go's own, or as much more as gives a heap its room: by
// fifties, and at most 400.
func percentFor(live uint64) int {
	percent := uint64(400)
	if live > 0 {
		percent = min(percent, room*100/live/50*50)
	}
	return int(max(100, percent))
}
