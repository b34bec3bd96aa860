//go:build linux || darwin

package files

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// limitProcess bounds the memory and the time of this process: the system kills
// it when it has had them.
func limitProcess() error {
	const second = 1 + uint64(workerTime/time.Second) // the system counts whole ones
	for what, limit := range map[int]uint64{syscall.RLIMIT_DATA: data() + workerMemory, syscall.RLIMIT_CPU: second, syscall.RLIMIT_CORE: 0} {
		if err := syscall.Setrlimit(what, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit %d: %w", what, err)
		}
	}
	go func() {
		for used() < workerTime {
			time.Sleep(50 * time.Millisecond)
		}
		os.Exit(1) //nolint:forbidigo // nothing else stops a decoder
	}()
	return nil
}

// data is how much this process has mapped for its data, in bytes. What is only
// mapped, as threads' stacks are, counts for the limit.
func data() uint64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(statm)) // size, resident, shared, text, 0, data: in pages
	if len(fields) < 6 {
		return 256 << 20 // elsewhere: more than it has
	}
	pages, _ := strconv.ParseUint(fields[5], 10, 64)
	return pages * uint64(os.Getpagesize()) //nolint:gosec // positive
}

// used is the time this process has had of a core.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return workerTime
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
