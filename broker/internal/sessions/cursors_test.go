package sessions

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
)

// answerable is nil, or an error that a client may be told of.
func answerable(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		require.NotEqual(t, chat.CodeInternal, chat.AsError(err).Code, "%v", err)
	}
}

// A cursor is one of ours, and then names the same place again, or is refused.
func FuzzCursors(f *testing.F) {
	for _, seed := range []string{"", "1795738372802.0a-01M8D0KQA1NFZQ495B4XP58KQR", "-1.x", "9223372036854775807.x", "9223372036854775808.x", ".", "1.", ".x", "1.\xff"} {
		f.Add(seed)
	}
	rd := NewReader(nil, struct{ archive.Archive }{}, "")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := parseCursor(cursor)
		answerable(t, err)
		if at != nil && math.Abs(at.Created) < 1<<53 { // ms beyond that are of no time
			again, err := parseCursor(at.String())
			require.NoError(t, err)
			require.Equal(t, at, again)
		}
		q, _, err := rd.searchQuery(chat.Actor{Host: true}, chat.SearchRequest{Query: "word", Cursor: cursor})
		answerable(t, err)
		require.Equal(t, err == nil && cursor != "", q.Before != nil)
		_, _ = parseFiled(cursor)
	})
}
