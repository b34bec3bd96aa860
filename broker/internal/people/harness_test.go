package people

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var unique atomic.Int64

// name is an id no other test of this process uses.
func name(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), unique.Add(1))
}

// start makes people of a Redis known, as one node does, until the test ends.
func start(t testing.TB, url string, change ...func(*Options)) *People {
	t.Helper()
	rdb, err := store.Dial(url)
	require.NoError(t, err)
	s := store.NewStore(rdb, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Open(t.Context(), 16, nil))
	s.Begin(t.Context())
	t.Cleanup(func() {
		s.Stop()
		s.Tasks.Wait()
		_ = s.Pipe.Close()
		_ = rdb.Close()
	})
	o := Options{IsSet: func(string) bool { return false }}
	for _, c := range change {
		c(&o)
	}
	return New(s, o)
}

func (ps *People) mustRaw(t *testing.T, script string, keys []string, args ...any) store.Reply {
	t.Helper()
	r, err := ps.store.Run(t.Context(), script, keys, args...)
	require.NoError(t, err)
	return r
}

func code(t testing.TB, want chat.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, chat.AsError(err).Code, "%v", err)
}
