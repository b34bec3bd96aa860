package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// Groups are shared out over the nodes that ask: evenly after two rounds, without a group that nobody has meanwhile, and
// each is one node's in Redis; who lets go, or asks no more, has none.
func TestGroupsAreSharedOut(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, 16)
		ctx := t.Context()
		key := s.Parts[0].Dispatchers()
		share := func(t require.TestingT, node string, lease time.Duration) []int64 {
			r, err := s.Run(ctx, "share", []string{key}, node, lease.Milliseconds(), groups)
			require.NoError(t, err)
			out := []int64{}
			for i := range r {
				out = append(out, r.Num(i))
			}
			return out
		}
		rapid.Check(t, func(t *rapid.T) {
			require.NoError(t, s.Redis.Del(ctx, key).Err())
			nodes := map[string]bool{}
			for range rapid.IntRange(1, 15).Draw(t, "steps") {
				node := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "node")
				if nodes[node] && rapid.Bool().Draw(t, "leaves") {
					require.Empty(t, share(t, node, 0))
					delete(nodes, node)
				} else {
					share(t, node, time.Minute)
					nodes[node] = true
				}
				if len(nodes) == 0 {
					continue
				}
				var all []int64
				for range 2 {
					all = nil
					for n := range nodes {
						share(t, n, time.Minute)
					}
				}
				for n := range nodes {
					mine := share(t, n, time.Minute)
					require.GreaterOrEqual(t, len(mine), groups/len(nodes))
					require.LessOrEqual(t, len(mine), (groups+len(nodes)-1)/len(nodes))
					all = append(all, mine...)
				}
				require.ElementsMatch(t, []int64{1, 2, 3, 4}, all)
			}
		})
		require.NoError(t, s.Redis.Del(ctx, key).Err())
		require.Len(t, share(t, "a", 200*time.Millisecond), groups)
		require.Len(t, share(t, "b", time.Minute), groups/2, "a has too many")
		require.Eventually(t, func() bool { return len(share(t, "b", time.Minute)) == groups }, 5*time.Second, 10*time.Millisecond, "a asks no more")
		require.Len(t, share(t, "a", time.Minute), groups/2)
	})
}
