package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

func TestContract(t *testing.T) {
	archivetest.Run(t, archivetest.Full, func(t *testing.T) archive.Archive { return open(t, filepath.Join(t.TempDir(), "archive.db")) })
}

// open opens a file and has it closed at the end.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
