package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// waiting tells how much is in the inbox.
func waiting(t *testing.T, s *Store) (left int64) {
	t.Helper()
	left, err := s.step(t.Context(), 1<<60)
	require.NoError(t, err)
	return left
}

// some gives n messages of several sessions, each with a word of its own.
func some(n int) []archive.Message {
	out := make([]archive.Message, n)
	for i := range out {
		out[i] = numbered(i)
	}
	return out
}

func put(t *testing.T, s *Store, messages ...archive.Message) {
	t.Helper()
	rejected, err := s.PutMessages(t.Context(), messages)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// TestABurstIsMovedByItself: at once where nothing more comes, and otherwise
// down to half of what the inbox may hold.
func TestABurstIsMovedByItself(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "archive.db"))
	all := some(2 * burstSize)
	put(t, s, all[:burstSize-1]...)
	require.Zero(t, waiting(t, s), "that was no burst")
	put(t, s, all[burstSize-1:]...)
	require.Eventually(t, func() bool { return waiting(t, s) == 0 }, time.Minute, 10*time.Millisecond)
	requireAll(t, s, all)

	s = open(t, filepath.Join(t.TempDir(), "archive.db"), bursts(0, 2*moveSize))
	put(t, s, some(2*moveSize)...)
	require.Eventually(t, func() bool { return waiting(t, s) <= moveSize }, time.Minute, 10*time.Millisecond)
	require.Positive(t, waiting(t, s), "while a burst lasts, the rest may wait")
}

// TestTheInboxIsBounded: who writes to a full one makes room, by as much as it is over.
func TestTheInboxIsBounded(t *testing.T) {
	t.Parallel()
	const size, write = 4 * moveSize, 100
	s := open(t, filepath.Join(t.TempDir(), "archive.db"), bursts(0, size))
	s.stop() // nobody else moves anything
	s.tasks.Wait()
	all := some(3 * size)
	most := int64(0)
	for i := 0; i < len(all); i += write {
		put(t, s, all[i:i+write]...)
		left := waiting(t, s)
		require.LessOrEqual(t, left, int64(size+write))
		most = max(most, left)
	}
	require.Greater(t, most, int64(size)*3/4, "it is used")
	require.NoError(t, s.Settle(t.Context()))
	long := archivetest.Message("long", 1, archivetest.Start, strings.Repeat("x", size<<10)) // counts as size messages, or more
	put(t, s, long)
	require.GreaterOrEqual(t, waiting(t, s), int64(size))
	require.Less(t, waiting(t, s), int64(size+10))
	put(t, s, archivetest.Message("long", 3, archivetest.Start, "short"))
	require.Greater(t, waiting(t, s), int64(size))
	put(t, s, archivetest.Message("long", 2, archivetest.Start, "short"))
	require.LessOrEqual(t, waiting(t, s), int64(size+1))
}

// TestWhatComesLaterDoesNotOvertake: the first message of a mid stays, though it is in the inbox yet.
func TestWhatComesLaterDoesNotOvertake(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "archive.db"))
	s.stop() // nothing is moved
	s.tasks.Wait()
	all := some(burstSize)
	put(t, s, all...)
	put(t, s, archivetest.Message(all[7].Session, all[7].Seq, all[7].At, "another"))
	for range 2 {
		requireFound(t, s, all)
		require.Zero(t, finds(t, s, "another"))
		require.NoError(t, s.Settle(t.Context()))
	}
	requireAll(t, s, all)
}

// TestAMoveIsSeenByNobody reads all the time while the inbox is emptied.
func TestAMoveIsSeenByNobody(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "archive.db"), bursts(0, 1<<40))
	const n = 6 * moveSize
	all := some(n)
	put(t, s, all...)
	for i, m := range all {
		if i%100 == 0 {
			all[i] = archivetest.Recalled(m)
			put(t, s, all[i])
		}
	}
	var moving, reading errgroup.Group
	moved := make(chan struct{})
	moving.Go(func() error {
		defer close(moved)
		return s.Settle(t.Context())
	})
	often := func(read func() error) {
		reading.Go(func() error {
			for {
				if err := read(); err != nil {
					return err
				}
				select {
				case <-moved:
					return nil
				default:
				}
			}
		})
	}
	often(func() error {
		got, err := s.Search(t.Context(), archive.SearchQuery{Words: archive.Words("№"), Limit: n})
		if want := n - n/100; err != nil || len(got) != want {
			return fmt.Errorf("search: %w, %d of %d", err, len(got), want)
		}
		return nil
	})
	often(func() error {
		got, err := s.Messages(t.Context(), all[1].Session, 1, n)
		if want := (n + sessions - 2) / sessions; err != nil || len(got) != want {
			return fmt.Errorf("messages: %w, %d of %d", err, len(got), want)
		}
		return nil
	})
	require.NoError(t, reading.Wait())
	require.NoError(t, moving.Wait())
	requireAll(t, s, all)
}

// TestWhatTheTableNeverTakesStaysInTheInbox, and is read, found and recalled there;
// the rest is moved.
func TestWhatTheTableNeverTakesStaysInTheInbox(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "archive.db")
	s := open(t, path, bursts(0, 1<<40))
	all := some(300)
	_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf(`CREATE TRIGGER never BEFORE INSERT ON messages
		WHEN new.mid IN ('%s', '%s') BEGIN SELECT RAISE(ABORT, 'never'); END`, all[30].Mid, all[250].Mid))
	require.NoError(t, err)
	put(t, s, all[:200]...)
	require.NoError(t, s.Settle(t.Context()))
	put(t, s, all[200:]...)
	require.NoError(t, s.Settle(t.Context()))
	require.Zero(t, waiting(t, s))
	check := func() {
		var rows int
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM messages").Scan(&rows))
		require.Equal(t, len(all)-2, rows)
		requireFound(t, s, all)
		for _, i := range []int{30, 250} {
			got, err := s.Messages(t.Context(), all[i].Session, all[i].Seq, all[i].Seq)
			require.NoError(t, err)
			want := all[i]
			want.Agents = nil
			require.Equal(t, []archive.Message{want}, got)
		}
	}
	check()
	require.NoError(t, s.Close())
	s = open(t, path, bursts(0, 1<<40))
	all[30] = archivetest.Recalled(all[30])
	put(t, s, all[30])
	check()
	require.NoError(t, s.Settle(t.Context()))
	check()

	_, err = s.writer.ExecContext(t.Context(), "DROP TRIGGER never")
	require.NoError(t, err)
}

// TestAFileOfTheVersionBeforeTakesBursts of what it has and of what is new.
func TestAFileOfTheVersionBeforeTakesBursts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "archive.db")
	schema := ""
	names, err := scripts()
	require.NoError(t, err)
	for _, name := range names[:4] {
		part, err := migrations.ReadFile(name)
		require.NoError(t, err)
		schema += string(part) + ";"
	}
	all := some(300)
	for i, m := range all[:200] {
		schema += fmt.Sprintf(`INSERT INTO messages VALUES (%d, '%s', '%s', %d, %d, '%s', '%s', '%s', '%s', '%s', '%s', '%s', '%s', %d, 0, '%s', '%s', 0);
			INSERT INTO grams2 (rowid, text) VALUES (%[1]d, '%[18]s');`,
			slot(m.At)+int64(i), m.Mid, m.Session, m.Seq, m.At, m.By, m.Sender, m.Role, m.Name, m.Type, m.Command, m.Body, m.Key, m.ReplyTo,
			m.User, m.Queue, 0, grams(archive.Fold(m.Text())))
	}
	run(t, path, schema+"PRAGMA user_version = 4")
	s := open(t, path, bursts(0, 1<<40))
	requireFound(t, s, all[:200])
	again := append([]archive.Message{}, all[100:]...)
	again[0], all[100] = archivetest.Recalled(again[0]), archivetest.Recalled(all[100])
	put(t, s, again...)
	requireAll(t, s, all)
}

// TestPacks holds what is unpacked to what was packed, and damage to an error.
func TestPacks(t *testing.T) {
	t.Parallel()
	var p pack
	want := some(20)
	for i := range want {
		want[i].Session, want[i].Agents = "s", nil
		want[i].At -= int64(i) * archivetest.Start / 10 // before 1970, too
		want[i].Recalled, want[i].Superseded = i%3 == 0, i%4 == 0
		require.True(t, p.takes(&want[i]))
		p.add(&want[i])
	}
	other := want[0]
	other.Queue = "another"
	require.False(t, p.takes(&other))
	var got []archive.Message
	require.NoError(t, p.unpack(func(m *archive.Message) { got = append(got, *m) }))
	require.Equal(t, want, got)
	whole := p.data
	for n := range whole {
		p.data = whole[:n]
		var some []archive.Message
		err := p.unpack(func(m *archive.Message) { some = append(some, *m) })
		require.Equal(t, want[:len(some)], append([]archive.Message{}, some...))
		if err != nil {
			require.ErrorIs(t, err, errPacked)
		} else {
			require.True(t, n == 1 || len(some) > 0)
		}
	}
	p.data = append([]byte{packed + 1}, whole[1:]...)
	require.ErrorIs(t, p.unpack(func(*archive.Message) {}), errPacked)
}
