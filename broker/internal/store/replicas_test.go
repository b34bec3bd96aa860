package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/scripts"
)

// What is waited for is a script: one that got another name would be acknowledged too early.
func TestWhatIsAcknowledgedIsAScript(t *testing.T) {
	set, err := scripts.Load(scripts.Options{})
	require.NoError(t, err)
	for name := range acknowledged {
		require.Contains(t, set, name)
	}
}
