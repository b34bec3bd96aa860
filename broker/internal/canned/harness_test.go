package canned

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var name, code = testenv.Name, storetest.Code

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
