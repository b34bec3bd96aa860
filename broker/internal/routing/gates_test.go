package routing

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of more gates than are kept, Redis alone decides.
func TestGatesAreBounded(t *testing.T) {
	var g Gates
	for i := range maxGates + 100 {
		gt, first := g.Enter(fmt.Sprint(i))
		require.True(t, first)
		g.Leave(gt, nil)
	}
	require.Len(t, g.by, maxGates)
	_, first := g.Enter("one more")
	require.True(t, first)
	_, first = g.Enter("one more")
	require.True(t, first)
}
