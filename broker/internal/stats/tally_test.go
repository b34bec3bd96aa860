package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// Percentiles are within what is promised of the exact ones, whatever the durations are like.
func TestPercentiles(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	s := New(storetest.Open(t, url, 4), nil, &others{}, everywhere)
	took := storetest.Script(t, "stats", "queue, agent, times...",
		"tally(now(), queue, true)\nfor _, ms in ipairs(times) do took('w', agent, tonumber(ms)) end return 1", "time", "stats")
	for what, draw := range map[string]func(r *rand.Rand) float64{
		"even":      func(r *rand.Rand) float64 { return 1 + r.Float64()*600_000 },
		"any scale": func(r *rand.Rand) float64 { return math.Exp(r.Float64() * 20) },
		"two peaks": func(r *rand.Rand) float64 { return []float64{5000, 1_800_000}[r.IntN(2)] * (1 + r.Float64()/10) },
		"very few":  func(r *rand.Rand) float64 { return 1 + r.Float64()*3 },
	} {
		for _, n := range []int{1, 2, 7, 1000} {
			t.Run(fmt.Sprint(what, "/", n), func(t *testing.T) {
				rnd, q := rand.New(rand.NewPCG(uint64(n), 7)), name("q")
				var all []float64
				for range n {
					all = append(all, math.Floor(draw(rnd)))
				}
				// Spread over agents and partitions, as they are.
				for i, part := range s.store.Parts {
					args := []any{q, name("ann")}
					for j := i; j < n; j += len(s.store.Parts) {
						args = append(args, all[j])
					}
					require.NoError(t, took.Run(t.Context(), s.store.Redis, []string{part.Stats()}, args...).Err())
				}
				slices.Sort(all)
				got := s.reply(t, chat.StatsRequest{Queue: q}).Totals.WaitingTime
				require.EqualValues(t, n, got.Count)
				sum := 0.0
				for _, v := range all {
					sum += v
				}
				require.InEpsilon(t, sum/float64(n)/1000, *got.Mean, 1e-9)
				for q, v := range map[float64]*float64{0.5: got.Median, 0.9: got.P90, 0.95: got.P95, 0.99: got.P99} {
					exact := all[int(q*float64(n-1))] / 1000
					require.InEpsilon(t, exact, *v, accuracy+1e-9, "%v of %d", q, n)
				}
			})
		}
	}
}
