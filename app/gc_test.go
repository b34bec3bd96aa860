package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A small heap gets its room; a large one is collected as Go does by itself.
func TestGCPercent(t *testing.T) {
	require.Equal(t, 400, gcPercent(0))
	require.Equal(t, 400, gcPercent(10<<20))
	require.Equal(t, 300, gcPercent(20<<20))
	require.Equal(t, 100, gcPercent(60<<20))
	require.Equal(t, 100, gcPercent(1<<30))
}
