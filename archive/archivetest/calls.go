package archivetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

// calls are all that a store can be asked for, each with an error if that fails.
var calls = map[string]func(ctx context.Context, a archive.Archive) error{
	"PutMessages": func(ctx context.Context, a archive.Archive) error {
		_, err := a.PutMessages(ctx, []archive.Message{Message("s", 1, Start, "x")})
		return err
	},
	"PutSessions": func(ctx context.Context, a archive.Archive) error {
		_, err := a.PutSessions(ctx, []archive.Session{Session("s", Start)})
		return err
	},
	"PutRecords": func(ctx context.Context, a archive.Archive) error {
		return a.PutRecords(ctx, []archive.Record{record("r", 1, "1")})
	},
	"Messages": func(ctx context.Context, a archive.Archive) error { _, err := a.Messages(ctx, "s", 1, 10); return err },
	"Session":  func(ctx context.Context, a archive.Archive) error { _, err := a.Session(ctx, "s"); return err },
	"Sessions": func(ctx context.Context, a archive.Archive) error {
		_, err := a.Sessions(ctx, archive.SessionQuery{Limit: 10})
		return err
	},
	"CountSessions": func(ctx context.Context, a archive.Archive) error {
		_, err := a.CountSessions(ctx, archive.SessionQuery{})
		return err
	},
	"Search": func(ctx context.Context, a archive.Archive) error {
		_, err := a.Search(ctx, archive.SearchQuery{Words: []string{"x"}, Limit: 10})
		return err
	},
	"Records": func(ctx context.Context, a archive.Archive) error { _, err := a.Records(ctx, "k", "", 10); return err },
	"Reindex": func(ctx context.Context, a archive.Archive) error { _, err := a.Reindex(ctx, 10); return err },
	"Purge":   func(ctx context.Context, a archive.Archive) error { return a.Purge(ctx) },
	"Ping":    func(ctx context.Context, a archive.Archive) error { return a.Ping(ctx) },
}

func cancelledCallsFail(t *testing.T, a archive.Archive) {
	require.NoError(t, calls["PutSessions"](t.Context(), a))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls {
		require.Error(t, call(cancelled, a), name)
		require.NoError(t, call(t.Context(), a), name)
	}
}

func closedStoresFail(t *testing.T, a archive.Archive) {
	for name, call := range calls {
		if name != "Session" { // there is none
			require.NoError(t, call(t.Context(), a), name)
		}
	}
	require.NoError(t, a.Close())
	for name, call := range calls {
		require.NotPanics(t, func() { require.Error(t, call(t.Context(), a), name) }, name)
	}
	require.NotPanics(t, func() { _ = a.Close() })
}

// writersMeet has several write the same things at once, each in its order.
func writersMeet(t *testing.T, a archive.Archive) {
	const writers, rounds, batch = 4, 5, 60
	var wg sync.WaitGroup
	errs := make(chan error, 3*writers*rounds)
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				errs <- writeShare(t.Context(), a, w, round, batch)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}

	for round := range rounds {
		session := fmt.Sprint("s", round)
		var want []archive.Message
		for i := range int64(batch) {
			m := Message(session, i+1, Start+i, "hello 您好")
			if i%writers != 0 {
				m = Recalled(m)
			}
			want = append(want, m)
		}
		sameMessages(t, want, messages(t, a, session))
		got, err := a.Session(t.Context(), session)
		require.NoError(t, err)
		require.EqualValues(t, writers, got.Rev)
		require.Equal(t, fmt.Sprint("by", writers), got.State)
	}
	require.Len(t, searchAll(t, a, archive.SearchQuery{Words: []string{"hello"}}, 7), rounds*batch/writers)
	for w := range writers {
		agents := []string{fmt.Sprint("agent", w), "ann"}
		require.Len(t, searchAll(t, a, archive.SearchQuery{Words: []string{"您好"}, Agents: agents}, 50), rounds*batch/writers)
	}
	got := records(t, a, 10)
	require.Len(t, got, rounds)
	for _, r := range got {
		require.EqualValues(t, writers, r.Version)
	}
}

// writeShare is one writer's part of a round: all of its messages, those of
// its number recalled (but for number 0), its version of the session and record.
func writeShare(ctx context.Context, a archive.Archive, w, round, batch int) error {
	session := fmt.Sprint("s", round)
	var messages []archive.Message
	for i := range int64(batch) {
		m := Message(session, i+1, Start+i, "hello 您好")
		if w > 0 && i%4 == int64(w) {
			m = Recalled(m)
		}
		messages = append(messages, m)
	}
	if w%2 == 1 {
		slices.Reverse(messages)
	}
	if rejected, err := a.PutMessages(ctx, messages); err != nil || len(rejected) > 0 {
		return fmt.Errorf("messages: %w, %d rejected", err, len(rejected))
	}
	s := Session(session, Start)
	s.Rev, s.State, s.Agents, s.NewAgents = int64(w)+1, fmt.Sprint("by", w+1), []string{fmt.Sprint("agent", w)}, true
	if rejected, err := a.PutSessions(ctx, []archive.Session{s}); err != nil || len(rejected) > 0 {
		return fmt.Errorf("sessions: %w, %d rejected", err, len(rejected))
	}
	if err := a.PutRecords(ctx, []archive.Record{record(session, int64(w)+1, "1")}); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	return nil
}
