package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// reindexUntilKilled reindexes in steps of n until nothing is left, and prints how many each did.
func reindexUntilKilled(ctx context.Context, path string, n int) error {
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	for {
		done, err := s.Reindex(ctx, n)
		if err != nil && strings.Contains(err.Error(), "SQLITE_BUSY") {
			continue // the others did not rest, as nodes do
		}
		if err != nil {
			return err
		}
		if done == 0 {
			return s.Close()
		}
		if _, err := fmt.Println(done); err != nil {
			return err
		}
	}
}

// oldFile makes a file as the program before wrote it, with wide letters and digits.
func oldFile(t *testing.T, path string, n int) []archive.Message {
	t.Helper()
	schema := ""
	for _, name := range []string{"0001_archive", "0002_labels", "0003_superseded"} {
		part, err := migrations.ReadFile("migrations/" + name + ".sql")
		require.NoError(t, err)
		schema += string(part) + ";"
	}
	run(t, path, schema+"PRAGMA user_version = 3")
	s := open(t, path)
	all := make([]archive.Message, n)
	for i := range all {
		all[i] = archivetest.Message(fmt.Sprint("s", i%sessions), int64(i/sessions)+1, archivetest.Start+int64(i/3),
			fmt.Sprintf("№%06d Straße ＳＦ１２３ %s", i, archivetest.Text(i)))
	}
	rejected, err := s.PutMessages(t.Context(), all)
	require.NoError(t, err)
	require.Empty(t, rejected)
	age(t, s)
	require.NoError(t, s.Close())
	return all
}

func finds(t *testing.T, s *Store, query string) int {
	t.Helper()
	got, err := s.Search(t.Context(), archive.SearchQuery{Words: archive.Words(query), OldWords: archive.OldWords(query), Limit: 10_000})
	require.NoError(t, err)
	return len(got)
}

// TestReindexOutlivesBeingKilled kills who reindexes, at any time: what was found
// stays found, more and more is found by the new rule, and in the end all is.
func TestReindexOutlivesBeingKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, jobFile)
	all := oldFile(t, path, 1200)
	last, kills := 0, 0
	for ended := false; !ended; {
		cmd := process(t, "reindex", dir, 20)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range rand.IntN(20) { // steps it is let do
			lines.Scan()
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		_ = cmd.Process.Kill()
		for lines.Scan() {
		}
		if ended = cmd.Wait() == nil; !ended {
			kills++
		}
		s := open(t, path)
		require.Equal(t, len(all), finds(t, s, "Straße"))
		require.Equal(t, len(all), finds(t, s, "ＳＦ１２３"))
		now := finds(t, s, "STRASSE sf123")
		require.GreaterOrEqual(t, now, last)
		last = now
		require.NoError(t, s.Close())
	}
	require.GreaterOrEqual(t, kills, 2)
	s := open(t, path)
	require.Equal(t, len(all), last)
	requireAll(t, s, all)
	left, err := s.unmoved(t.Context())
	require.NoError(t, err)
	require.False(t, left)
}

// TestProcessesShareReindexing: together they do each message once, while others write.
func TestProcessesShareReindexing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, jobFile)
	all := oldFile(t, path, 600)
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	for range 3 {
		cmd, out := process(t, "reindex", dir, 20), &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	s := open(t, path)
	for i := range 20 {
		m := numbered(600 + i)
		require.Eventually(t, func() bool { // the file may be busy for longer than one waits: the archiver tries again, too
			_, err := s.PutMessages(t.Context(), []archive.Message{m})
			return err == nil
		}, time.Minute, time.Millisecond)
		all = append(all, m)
	}
	sum := 0
	for i, cmd := range cmds {
		require.NoError(t, cmd.Wait(), outs[i].String())
		for _, line := range strings.Fields(outs[i].String()) {
			n, err := strconv.Atoi(line)
			require.NoError(t, err, line)
			sum += n
		}
	}
	require.Equal(t, 600, sum)
	requireAll(t, s, all)
}

// A program before this one that has the file open still may go on: what it
// indexes and recalls is right all the same.
func TestReindexFindsWhatAnEarlierProgramGoesOnWriting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), jobFile)
	oldFile(t, path, 100)
	s := open(t, path)
	drain := func() (sum int) {
		for {
			n, err := s.Reindex(t.Context(), 30)
			require.NoError(t, err)
			if sum += n; n == 0 {
				return sum
			}
		}
	}
	require.Equal(t, 100, drain())
	m := archivetest.Message("late", 1, archivetest.Start, "Straße")
	_, err := s.PutMessages(t.Context(), []archive.Message{m})
	require.NoError(t, err)
	age(t, s) // all that is there, this one too
	require.Equal(t, 101, finds(t, s, "straße"))
	require.Equal(t, 101, drain())
	require.Equal(t, 101, finds(t, s, "strasse"))
	requireSound(t, s)
}
