package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

// TestFilesThatAreRefusedStayAsTheyAre: what this program does not understand
// it must not touch.
func TestFilesThatAreRefusedStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup func(t *testing.T, path string)
		want  string
	}{
		"a later program's": {func(t *testing.T, path string) {
			s := open(t, path)
			_, err := s.PutMessages(t.Context(), numberedBatch(0))
			require.NoError(t, err)
			require.NoError(t, s.Close())
			run(t, path, "PRAGMA user_version = 99")
		}, "its version is 99 and this program knows only"},
		"a later program's, without a log": {func(t *testing.T, path string) {
			run(t, path, "PRAGMA user_version = 99")
		}, "its version is 99 and this program knows only"},
		"another program's": {func(t *testing.T, path string) {
			run(t, path, "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
		}, "it is another program's"},
		"no database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("something else, and long enough to be taken for a header"), 0o600))
		}, "not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "archive.db")
			c.setup(t, path)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			for range 2 {
				_, err = Open(t.Context(), path)
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, path)
				after, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, before, after)
			}
			files, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			require.Len(t, files, 1, "nothing is left beside it")
		})
	}
}

// TestALaterVersionIsRefusedWhileItsProgramRuns has a later program's file
// open, its writes still in the log.
func TestALaterVersionIsRefusedWhileItsProgramRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "archive.db")
	later := open(t, path)
	_, err := later.writer.ExecContext(t.Context(), "PRAGMA user_version = 2000")
	require.NoError(t, err)
	for b := range 3 {
		_, err := Open(t.Context(), path)
		require.ErrorContains(t, err, "its version is 2000")
		_, err = later.PutMessages(t.Context(), numberedBatch(b))
		require.NoError(t, err)
	}
	requireAll(t, later, afterBatches(3))
}

// TestAnEarlierFileIsBroughtUpToDate: what it holds stays, and gets labels as what is new does.
func TestAnEarlierFileIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "archive.db")
	first, err := migrations.ReadFile("migrations/0001_archive.sql")
	require.NoError(t, err)
	run(t, path, string(first)+`; PRAGMA user_version = 1;
		INSERT INTO sessions VALUES ('old', '', 1, 1, 0, 'ended', 'sales', 'uma', '', '', '', '', '', '[]', 7, 0, 9, '{}', '{}')`)
	s := open(t, path)
	old, err := s.Session(t.Context(), "old")
	require.NoError(t, err)
	require.Empty(t, old.Labels)
	require.EqualValues(t, 9, old.Ended)
	old.Rev, old.Labels = 2, []string{"vip"}
	_, err = s.PutSessions(t.Context(), []archive.Session{old, {ID: "new", Labels: []string{"vip"}}})
	require.NoError(t, err)
	found, err := s.Sessions(t.Context(), archive.SessionQuery{Label: "vip", Limit: 9})
	require.NoError(t, err)
	require.Len(t, found, 2)
}

// TestFoldersAreMade and a file's name may have what a URL takes for something else.
func TestFoldersAreMade(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "a b/c d.db", "50%/%41.db", "what?/x=1&y#z.db", "档案/聊天.db", "a'b\"c.db", "file:x.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, path)
		_, err := s.PutMessages(t.Context(), numberedBatch(0))
		require.NoError(t, err)
		require.NoError(t, s.Close())
		info, err := os.Stat(path)
		require.NoError(t, err, name)
		require.Positive(t, info.Size())
		requireAll(t, open(t, path), afterBatches(1))
	}
}

// run runs a statement as another program would.
func run(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
