package people

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var name, code = testenv.Name, storetest.Code

// start makes people of a Redis known, as one node does, until the test ends.
func start(t testing.TB, url string, change ...func(*Options)) *People {
	t.Helper()
	s := storetest.Open(t, url, 16)
	s.Begin(t.Context())
	t.Cleanup(func() {
		s.Stop()
		s.Tasks.Wait()
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
