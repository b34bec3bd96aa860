package people

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Silence is counted in heartbeats of one's own that succeeded, and by nothing else.
func TestSilence(t *testing.T) {
	s := Silence{}
	require.Empty(t, s.Hear(map[string]int64{"a": 5, "b": 1}))
	require.False(t, s.Lives("a", 3), "it may have died long ago")
	for i := range deadTicks - 1 {
		require.Empty(t, s.Hear(map[string]int64{"a": 5, "b": int64(2 + i)}))
	}
	require.True(t, s.Lives("b", 3))
	require.False(t, s.Lives("a", 3))
	require.Equal(t, []string{"a"}, s.Hear(map[string]int64{"a": 5, "b": 99}))
	require.Empty(t, s.Hear(map[string]int64{"a": 5, "b": 100}), "not again at once")
	require.Empty(t, s.Hear(map[string]int64{"b": 101}))
	require.Len(t, s, 1, "one that is gone is forgotten")
	for range deadTicks - 1 {
		require.Empty(t, s.Hear(map[string]int64{"b": 101}))
	}
	require.Empty(t, s.Hear(map[string]int64{"b": 3}), "any change is a sign of life, also back: Redis fell back")
}
