package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// These tests have processes of their own: the test's program again, with the
// job's name in its environment, a number as its argument, in the file's folder.
const (
	jobVariable = "BELLHOP_SQLITE_TEST_JOB"
	jobFile     = "archive.db"
)

var jobs = map[string]func(ctx context.Context, path string, n int) error{
	"write": func(ctx context.Context, path string, n int) error { return writeUntilKilled(ctx, path, n) },
	"burst": func(ctx context.Context, path string, n int) error {
		return writeUntilKilled(ctx, path, n, bursts(0, 300))
	},
	"share":   share,
	"reindex": reindexUntilKilled,
}

func TestMain(m *testing.M) {
	job := jobs[os.Getenv(jobVariable)]
	if job == nil {
		os.Exit(m.Run())
	}
	n, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = job(context.Background(), jobFile, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process gives one that does a job. It ends with the test.
func process(t *testing.T, job, dir string, n int) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, strconv.Itoa(n))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), jobVariable+"="+job)
	return cmd
}

const (
	batch    = 100 // messages in a write
	sessions = 7
)

// numbered gives the n-th message, which has a word of its own.
func numbered(n int) archive.Message {
	return archivetest.Message(fmt.Sprint("s", n%sessions), int64(n/sessions)+1, archivetest.Start+int64(n/3),
		fmt.Sprintf("№%06d %s", n, archivetest.Text(n)))
}

// toRecall tells whether the write after the n-th message's own recalls it.
func toRecall(n int) bool { return n%10 == 3 }

// numberedBatch is one write: a batch of new messages, and recalls of some of
// the batch before.
func numberedBatch(b int) []archive.Message {
	var out []archive.Message
	for n := max(b-1, 0) * batch; n < (b+1)*batch; n++ {
		switch m := numbered(n); {
		case n >= b*batch:
			out = append(out, m)
		case toRecall(n):
			out = append(out, archivetest.Recalled(m))
		}
	}
	return out
}

// afterBatches gives what is there once so many batches have been written.
func afterBatches(batches int) []archive.Message {
	out := make([]archive.Message, batches*batch)
	for n := range out {
		out[n] = numbered(n)
		if toRecall(n) && n < (batches-1)*batch {
			out[n] = archivetest.Recalled(out[n])
		}
	}
	return out
}

// writeUntilKilled writes batches from the b-th on, and prints the number of each
// that is acknowledged. Without a parent to print to it ends.
func writeUntilKilled(ctx context.Context, path string, b int, opts ...Option) error {
	s, err := Open(ctx, path, opts...)
	if err != nil {
		return err
	}
	for ; ; b++ {
		rejected, err := s.PutMessages(ctx, numberedBatch(b))
		if err != nil || len(rejected) > 0 {
			return fmt.Errorf("batch %d: %w, rejected: %v", b, err, rejected)
		}
		if _, err := fmt.Println(b); err != nil {
			return err
		}
	}
}

// TestAKilledWriterLosesNothing kills writers at any time, in the middle of
// opening a file too: what was acknowledged is there, a batch is there as a
// whole or not at all, and the next one goes on with the file as it is.
func TestAKilledWriterLosesNothing(t *testing.T) {
	t.Parallel()
	for _, job := range []string{"write", "burst"} { // the latter by way of the inbox, which it empties meanwhile
		t.Run(job, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			batches := 0
			for round := range 5 {
				// Not checked, so not closed in order, between the two.
				batches = killAWriter(t, job, dir, batches, false, 50*time.Millisecond)
				batches = killAWriter(t, job, dir, batches, true, 100*time.Millisecond)
				batches = requireBatches(t, filepath.Join(dir, jobFile), batches)
				t.Logf("round %d: %d batches", round, batches)
			}
			require.GreaterOrEqual(t, batches, 5, "one of each round was acknowledged")
		})
	}
}

// killAWriter kills one some time from its start, or from its first
// acknowledgement, and gives how many batches are acknowledged then.
func killAWriter(t *testing.T, job, dir string, batches int, acknowledged bool, within time.Duration) int {
	t.Helper()
	cmd := process(t, job, dir, batches)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if acknowledged && lines.Scan() {
		require.Equal(t, strconv.Itoa(batches), lines.Text())
		batches++
	}
	killed := time.AfterFunc(rand.N(within), func() { _ = cmd.Process.Kill() })
	defer killed.Stop()
	for lines.Scan() {
		require.Equal(t, strconv.Itoa(batches), lines.Text())
		batches++
	}
	require.NoError(t, lines.Err())
	require.ErrorContains(t, cmd.Wait(), "killed", complaint.String())
	require.Empty(t, complaint.String())
	return batches
}

// requireBatches wants all acknowledged batches in a file, and perhaps the one
// of which the writer has not learned, and gives how many there are.
func requireBatches(t *testing.T, path string, acknowledged int) int {
	t.Helper()
	s := open(t, path)
	require.NoError(t, s.Settle(t.Context()))
	var n int
	require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM messages").Scan(&n))
	require.Zero(t, n%batch, "a part of a batch")
	batches := n / batch
	require.Contains(t, []int{acknowledged, acknowledged + 1}, batches)
	requireAll(t, s, afterBatches(batches))
	require.NoError(t, s.Close())
	return batches
}

// requireAll wants a sound file with these messages and no others, each found
// by its words.
func requireAll(t *testing.T, s *Store, want []archive.Message) {
	t.Helper()
	bySession := map[string][]archive.Message{}
	for _, m := range want {
		m.Agents = nil // which do not come back
		bySession[m.Session] = append(bySession[m.Session], m)
	}
	total := 0
	for session, list := range bySession {
		got, err := s.Messages(t.Context(), session, 1, int64(len(want)))
		require.NoError(t, err)
		require.Equal(t, list, got)
		total += len(got)
	}
	requireFound(t, s, want)
	require.NoError(t, s.Settle(t.Context()))
	var rows int
	require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM messages").Scan(&rows))
	require.Equal(t, total, rows)
	requireFound(t, s, want)
	requireSound(t, s)
}

// requireFound wants searches to find what they should: one message by its own
// word, all of a word that many have.
func requireFound(t *testing.T, s *Store, all []archive.Message) {
	t.Helper()
	folded := make([]string, len(all))
	for i, m := range all {
		folded[i] = archive.Fold(m.Text())
	}
	words := []string{"№", "退款", "refund", "好"}
	for i := range min(len(all), 20) {
		words = append(words, fmt.Sprintf("№%06d", i*len(all)/20))
	}
	for _, word := range words {
		var want, got []string
		for i, m := range all {
			if archive.Holds(folded[i], archive.Words(word)) {
				want = append(want, m.Mid)
			}
		}
		found, err := s.Search(t.Context(), archive.SearchQuery{Words: archive.Words(word), Limit: len(all) + 1})
		require.NoError(t, err)
		for _, m := range found {
			got = append(got, m.Mid)
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, word)
	}
}

// requireSound wants SQLite to find nothing wrong, and the full-text index to
// hold each message's grams and nothing else: a search alone would not tell,
// for it looks at the messages again.
func requireSound(t *testing.T, s *Store) {
	t.Helper()
	var verdict string
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	for _, statement := range []string{
		"INSERT INTO grams (grams) VALUES ('integrity-check')",
		"INSERT INTO grams2 (grams2) VALUES ('integrity-check')",
		"CREATE VIRTUAL TABLE IF NOT EXISTS temp.terms USING fts5vocab (main, grams2, instance)",
	} {
		_, err := s.writer.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	want, got := gramsOfMessages(t, s), gramsOfIndex(t, s)
	for id := range want {
		require.Equal(t, want[id], got[id], "of message %d", id)
		delete(got, id)
	}
	require.Empty(t, got, "of messages that have none")
}

func gramsOfMessages(t *testing.T, s *Store) map[int64][]string {
	t.Helper()
	rows, err := s.writer.QueryContext(t.Context(), "SELECT id, "+messageColumns+" FROM messages m")
	require.NoError(t, err)
	out := map[int64][]string{}
	require.NoError(t, each(rows, func(id int64, m archive.Message) bool {
		if text := m.Text(); text != "" {
			list := strings.Split(strings.TrimSuffix(grams(archive.Fold(text)), " "), " ")
			slices.Sort(list)
			out[id] = slices.Compact(list)
		}
		return true
	}))
	return out
}

func gramsOfIndex(t *testing.T, s *Store) map[int64][]string {
	t.Helper()
	rows, err := s.writer.QueryContext(t.Context(), "SELECT DISTINCT doc, term FROM temp.terms ORDER BY doc, term")
	require.NoError(t, err)
	defer rows.Close()
	out := map[int64][]string{}
	for rows.Next() {
		var id int64
		var gram string
		require.NoError(t, rows.Scan(&id, &gram))
		out[id] = append(out[id], gram)
	}
	require.NoError(t, rows.Err())
	return out
}

const (
	sharers      = 4
	shareBatches = 12
)

// share opens the file several times and writes the same as the others, from
// another batch on, each overlapping the next by half; and reads meanwhile.
func share(ctx context.Context, path string, who int) error {
	for round := range 3 {
		s, err := Open(ctx, path)
		if err != nil {
			return err
		}
		for i := range shareBatches {
			b := (i + who*shareBatches/sharers) % shareBatches
			if err := sharePart(ctx, s, who, b); err != nil {
				return fmt.Errorf("%d in round %d, batch %d: %w", who, round, b, err)
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func sharePart(ctx context.Context, s *Store, who, b int) error {
	var messages []archive.Message
	for n := b * batch / 2; n < (b+2)*batch/2; n++ {
		messages = append(messages, numbered(n))
	}
	if rejected, err := s.PutMessages(ctx, messages); err != nil || len(rejected) > 0 {
		return fmt.Errorf("messages: %w, rejected: %v", err, rejected)
	}
	x := archivetest.Session(fmt.Sprint("s", b%sessions), archivetest.Start)
	x.Rev = int64(who) + 1
	if rejected, err := s.PutSessions(ctx, []archive.Session{x}); err != nil || len(rejected) > 0 {
		return fmt.Errorf("sessions: %w, rejected: %v", err, rejected)
	}
	found, err := s.Search(ctx, archive.SearchQuery{Words: archive.Words(fmt.Sprintf("№%06d", b*batch/2)), Limit: 10})
	if err != nil || len(found) != 1 {
		return fmt.Errorf("search: %w, found: %v", err, found)
	}
	if err := s.Purge(ctx); err != nil {
		return err
	}
	return s.Ping(ctx)
}

// TestProcessesShareAFile has several make a file at the same time, and write
// the same things to it.
func TestProcessesShareAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var others []*exec.Cmd
	var complaints []io.Reader
	for who := 1; who < sharers; who++ {
		cmd, complaint := process(t, "share", dir, who), &bytes.Buffer{}
		cmd.Stderr = complaint
		require.NoError(t, cmd.Start())
		others, complaints = append(others, cmd), append(complaints, complaint)
	}
	own := share(t.Context(), filepath.Join(dir, jobFile), 0)
	for i, cmd := range others {
		err := cmd.Wait()
		complaint, _ := io.ReadAll(complaints[i])
		require.NoError(t, err, "%s", complaint)
	}
	require.NoError(t, own)

	s := open(t, filepath.Join(dir, jobFile))
	var want []archive.Message
	for n := range (shareBatches + 1) * batch / 2 {
		want = append(want, numbered(n))
	}
	requireAll(t, s, want)
	got, err := s.Sessions(t.Context(), archive.SessionQuery{Limit: 100})
	require.NoError(t, err)
	require.Len(t, got, sessions)
	for _, x := range got {
		require.EqualValues(t, sharers, x.Rev)
	}
}
