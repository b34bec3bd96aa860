package stats

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

var errAway = errors.New("away")

// An hour that is over leaves Redis for the archive, once, and answers stay the
// same whatever happens on the way.
func TestHoursOutliveRedis(t *testing.T) {
	ctx := t.Context()
	old := time.Now().UnixMilli()/hourMS - 2
	for what, breakIt := range map[string]func(s *Stats, l *ledger){
		"nothing": func(*Stats, *ledger) {},
		"the archive is away": func(s *Stats, l *ledger) {
			l.set(func() error { return errAway }, nil)
			require.Error(t, s.Flush(ctx, s.store.Parts...))
			require.True(t, held(t, s)[old-1] || held(t, s)[old], "nothing leaves unarchived")
		},
		"it is unknown whether the archive took it": func(s *Stats, l *ledger) {
			l.set(nil, func() error { return errAway })
			require.Error(t, s.Flush(ctx, s.store.Parts...))
		},
		"a crash between archiving and removing": func(s *Stats, l *ledger) {
			dying, die := context.WithCancel(ctx)
			l.set(nil, func() error { die(); return nil })
			require.Error(t, s.Flush(dying, s.store.Parts...))
		},
		"a crash while removing": func(s *Stats, _ *ledger) {
			for _, p := range s.store.Parts {
				f := &flush{part: p}
				require.NoError(t, s.gather(ctx, f))
				require.NoError(t, s.archive.PutRecords(ctx, f.records))
				for n, h := range f.scan.hours {
					if n <= f.sealed {
						gone := h.fields(n)
						require.NoError(t, s.store.Redis.HDel(ctx, p.Stats(), gone[:len(gone)/2]...).Err())
					}
				}
			}
		},
		"somebody removes it after another's scan": func(s *Stats, l *ledger) {
			slow := map[int]*flush{}
			for _, p := range s.store.Parts {
				slow[p.Index] = &flush{part: p}
				require.NoError(t, s.gather(ctx, slow[p.Index]))
			}
			require.NoError(t, s.Flush(ctx, s.store.Parts...))
			for _, f := range slow {
				require.NoError(t, s.archive.PutRecords(ctx, f.records))
				require.NoError(t, s.trim(ctx, f))
			}
		},
		"somebody removes it during another's scan": func(s *Stats, l *ledger) {
			partial := map[int]*flush{}
			for _, p := range s.store.Parts {
				f := &flush{part: p}
				require.NoError(t, s.gather(ctx, f))
				f.records = nil
				for n, h := range f.scan.hours {
					for w := range h.rows {
						delete(h.rows, w)
						break
					}
					f.records = append(f.records, h.record(n, p.Index))
				}
				partial[p.Index] = f
			}
			require.NoError(t, s.Flush(ctx, s.store.Parts...))
			for _, f := range partial {
				require.NoError(t, s.archive.PutRecords(ctx, f.records))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, l, q, want := busyHour(t)
			breakIt(s, l)
			same(t, want, s.reply(t, chat.StatsRequest{Queue: q}))
			l.set(nil, nil)
			for range 3 {
				require.NoError(t, s.Flush(ctx, s.store.Parts...))
				same(t, want, s.reply(t, chat.StatsRequest{Queue: q}))
			}
			for n := range held(t, s) {
				require.Greater(t, n, old, "what the archive has leaves Redis")
			}
			for _, p := range s.store.Parts {
				scan, err := s.scan(ctx, p)
				require.NoError(t, err)
				for n, h := range scan.hours {
					require.False(t, n <= scan.sealed && len(h.queues) > 0)
				}
			}
		})
	}
}

// A clock that goes back, or what comes late, never opens a sealed hour again: the archive has the last of it.
func TestSealedHoursStaySealed(t *testing.T) {
	s, _, q, want := busyHour(t)
	ctx, now := t.Context(), time.Now().UnixMilli()/hourMS
	for _, p := range s.store.Parts {
		require.NoError(t, s.store.Redis.HSet(ctx, p.Stats(), "sealed", now).Err()) // by a clock that was ahead
	}
	require.NoError(t, s.Flush(ctx, s.store.Parts...))
	require.NoError(t, opened(t).Run(ctx, s.store.Redis, []string{s.store.Parts[0].Stats()}, q).Err())
	require.NoError(t, s.Flush(ctx, s.store.Parts...))
	require.True(t, held(t, s)[now+1])
	r := s.reply(t, chat.StatsRequest{Queue: q, Until: (now + 2) * hourMS})
	require.EqualValues(t, want.Totals.Opened+1, r.Totals.Opened)
	require.EqualValues(t, 1, r.Buckets[len(r.Buckets)-1].Opened)
}

// The store gives a year of hours within its order, whatever else it has.
func TestRangesOfTheArchive(t *testing.T) {
	l := newLedger(t)
	s := New(storetest.Open(t, testenv.Redis(t).URL(), 1), l, &others{}, everywhere)
	now := time.Now().UnixMilli() / hourMS
	var all []archive.Record
	for i := range int64(500) {
		h := &hourly{name: fmt.Sprint(i), rows: sheet{{"q", ""}: {"opened": 1}}}
		all = append(all, h.record(now-500+i, 0))
	}
	require.NoError(t, l.Archive.PutRecords(t.Context(), all))
	for _, n := range []int64{1, 2, 199, 200, 201, 500} {
		r := s.reply(t, chat.StatsRequest{Since: (now - n) * hourMS, Until: now * hourMS})
		require.EqualValues(t, n, r.Totals.Opened)
		require.Len(t, r.Buckets, int(n))
	}
	r := s.reply(t, chat.StatsRequest{Since: (now - 300) * hourMS, Until: (now - 100) * hourMS, Bucket: "day"})
	require.EqualValues(t, 200, r.Totals.Opened)
}

// What is counted after an hour was archived is in the report at once, and in the archive after the next flush.
func TestAnArchivedHourCountsOn(t *testing.T) {
	l, q := newLedger(t), name("q")
	s := New(storetest.Open(t, testenv.Redis(t).URL(), 2), l, &others{}, everywhere)
	ctx := t.Context()
	for n := range int64(3) {
		for _, p := range s.store.Parts {
			require.NoError(t, opened(t).Run(ctx, s.store.Redis, []string{p.Stats()}, q).Err())
		}
		require.EqualValues(t, 2*(n+1), s.reply(t, chat.StatsRequest{Queue: q}).Totals.Opened)
		require.NoError(t, s.Flush(ctx, s.store.Parts...))
		require.EqualValues(t, 2*(n+1), s.reply(t, chat.StatsRequest{Queue: q}).Totals.Opened)
	}
	later := New(storetest.Open(t, testenv.Redis(t).URL(), 2), l, &others{}, everywhere) // with a Redis that holds nothing
	require.EqualValues(t, 6, later.reply(t, chat.StatsRequest{Queue: q}).Totals.Opened)
}
