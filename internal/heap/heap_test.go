package heap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A small heap gets its room; a large one is collected as Go does by itself.
func TestGCPercent(t *testing.T) {
	require.Equal(t, 400, percentFor(0))
	require.Equal(t, 400, percentFor(10<<20))
	require.Equal(t, 300, percentFor(20<<20))
	require.Equal(t, 100, percentFor(60<<20))
	require.Equal(t, 100, percentFor(1<<30))
}

// A rest begins once, after ten quiet seconds, and again after the next rush.
func TestRest(t *testing.T) {
	var r rest
	allocated := uint64(0)
	seconds := func(n int, rate uint64) (begun int) {
		for range n {
			if allocated += rate; r.begins(allocated) {
				begun++
			}
		}
		return begun
	}
	require.Zero(t, seconds(20, 10<<20))
	require.Zero(t, seconds(restTime-1, 1<<20))
	require.Zero(t, seconds(1, 10<<20))
	require.Equal(t, 1, seconds(100, 1<<20))
	require.Zero(t, seconds(1, 10<<20))
	require.Equal(t, 1, seconds(100, 0))
}
