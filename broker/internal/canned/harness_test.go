package canned

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var unique atomic.Int64

// name is an id no other test of this process uses.
func name(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), unique.Add(1))
}

func code(t testing.TB, want chat.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, chat.AsError(err).Code, "%v", err)
}

// idsOf are those of a queue's replies, of all pages.
func idsOf(t *testing.T, r *Replies, queue string) map[string]bool {
	t.Helper()
	ids, cursor := map[string]bool{}, ""
	for {
		page, err := r.List(t.Context(), Reader{All: true}, chat.CannedRequest{Queue: queue, Cursor: cursor, Limit: 2})
		require.NoError(t, err)
		for _, c := range page.Canned {
			require.False(t, ids[c.ID], "twice: %s", c.ID)
			ids[c.ID] = true
		}
		if cursor = page.Cursor; cursor == "" {
			return ids
		}
	}
}
