//go:build !race

package testenv

// RaceDetector tells whether the race detector is on. What is slow with it, and has
// nothing for it to see, leaves it to .ci/go-test, which runs that without, too.
const RaceDetector = false
