package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// build opens a new file with messages, the i-th of which message gives.
func build(b *testing.B, n int, message func(i int) archive.Message) *Store {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "archive.db"))
	messages := make([]archive.Message, n)
	for i := range messages {
		messages[i] = message(i)
	}
	for part := range slices.Chunk(messages, 10_000) {
		_, err := s.PutMessages(b.Context(), part)
		require.NoError(b, err)
	}
	return s
}

// ofOne gives the i-th message of a session.
func ofOne(i int) archive.Message {
	return archivetest.Message("s", int64(i)+1, archivetest.Start+int64(i), archivetest.Text(i))
}

func BenchmarkPut(b *testing.B) {
	const each = 1000
	s := build(b, 0, ofOne)
	n := 0
	for b.Loop() {
		messages := make([]archive.Message, each)
		for i := range messages {
			messages[i] = ofOne(n)
			n++
		}
		rejected, err := s.PutMessages(b.Context(), messages)
		require.NoError(b, err)
		require.Empty(b, rejected)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msgs/s")
	began := time.Now()
	require.NoError(b, s.Settle(b.Context()))
	b.ReportMetric(float64(n)/(b.Elapsed()+time.Since(began)).Seconds(), "settled/s")
}

// BenchmarkMessages reads pages everywhere in a long session.
func BenchmarkMessages(b *testing.B) {
	const length, page = 100_000, 50
	s := build(b, length, func(i int) archive.Message {
		m := ofOne(i)
		m.Type = "system" // which is in no full-text index, and so built sooner
		return m
	})
	for i := 0; b.Loop(); i++ {
		from := int64(i)*7919%(length-page) + 1
		got, err := s.Messages(b.Context(), "s", from, from+page-1)
		require.NoError(b, err)
		require.Len(b, got, page)
	}
}

// BenchmarkSearch reads the first page of what words find.
func BenchmarkSearch(b *testing.B) {
	s := build(b, 20_000, ofOne)
	for _, c := range []struct{ name, query, user string }{
		{"chinese", "退款", ""},
		{"one character", "款", ""},
		{"english", "refund", ""},
		{"both", "refund 退款", ""},
		{"nothing", "nowhere", ""},
		{"of a user", "订单", "uma"},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := archive.SearchQuery{Words: archive.Words(c.query), User: c.user, Limit: 20}
			for b.Loop() {
				_, err := s.Search(b.Context(), q)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkSearchOfBursts reads the first page of what words find while much is in the inbox.
func BenchmarkSearchOfBursts(b *testing.B) {
	const n = 100_000
	s := open(b, filepath.Join(b.TempDir(), "archive.db"), bursts(0, 1<<40))
	for i := 0; i < n; i += 1000 {
		messages := make([]archive.Message, 1000)
		for k := range messages {
			messages[k] = ofOne(i + k)
		}
		_, err := s.PutMessages(b.Context(), messages)
		require.NoError(b, err)
	}
	for _, query := range []string{"退款", "refund", "nowhere"} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Search(b.Context(), archive.SearchQuery{Words: archive.Words(query), Limit: 20})
				require.NoError(b, err)
			}
		})
	}
}
