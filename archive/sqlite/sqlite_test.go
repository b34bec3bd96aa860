package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// Written at once, and with every write going through the inbox: it stays there, or
// only what is newest, or as it happens.
func TestContract(t *testing.T) {
	for name, opts := range map[string][]Option{"no inbox": nil, "all stays": {bursts(0, 1<<40)}, "little stays": {bursts(0, 20)}, "anything stays": {bursts(20, 500)}} {
		t.Run(name, func(t *testing.T) {
			archivetest.Run(t, archivetest.Full, func(t *testing.T) archive.Archive {
				return open(t, filepath.Join(t.TempDir(), "archive.db"), opts...)
			}, age)
		})
	}
}

// bursts makes bursts begin at a rate, and the inbox of a size.
func bursts(busy int, inbox int64) Option {
	return func(o *options) { o.busy, o.inbox = busy, inbox }
}

// age indexes everything as earlier versions did.
func age(t *testing.T, a archive.Archive) {
	t.Helper()
	s, ok := a.(*Store)
	require.True(t, ok)
	require.NoError(t, s.Settle(t.Context())) // there was no inbox
	rows, err := s.writer.QueryContext(t.Context(), "SELECT id, "+messageColumns+" FROM messages m")
	require.NoError(t, err)
	old := map[int64]string{}
	require.NoError(t, each(rows, func(id int64, m archive.Message) bool {
		if text := m.Text(); text != "" {
			old[id] = grams(archive.OldFold(text))
		}
		return true
	}))
	require.NoError(t, s.write(t.Context(), func(x txn) error {
		for id, g := range old {
			if _, err := x.exec(t.Context(), s.stmts.deleteGrams, id); err != nil {
				return err
			}
			if _, err := x.tx.ExecContext(t.Context(), "INSERT INTO grams (rowid, text) VALUES (?, ?)", id, g); err != nil {
				return err
			}
		}
		return nil
	}))
}

// open opens a file and has it closed at the end.
func open(t testing.TB, path string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
