package top

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"bellhop/internal/timing"
)

// measured is the histogram that a node tells after it measured these times.
func measured(t *testing.T, o prometheus.Observer, times ...float64) histogram {
	t.Helper()
	for _, v := range times {
		o.Observe(v)
	}
	var m dto.Metric
	require.NoError(t, o.(prometheus.Metric).Write(&m)) //nolint:forcetypeassert // a histogram's are
	return newHistogram(m.GetHistogram())
}

// Quantiles are within 5 % of the exact ones, however the times lie, also of what was measured between two readings and where buckets were joined meanwhile.
func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, scale float64) (list []float64) {
		for range n {
			list = append(list, scale*math.Exp(.7*random.NormFloat64()))
		}
		return list
	}
	exact := func(list []float64, q float64) float64 {
		list = slices.Sorted(slices.Values(list))
		return list[int(math.Ceil(q*float64(len(list))))-1]
	}
	vec := timing.New("x", "y", "z")
	o := vec.WithLabelValues("a")
	old, lately := draw(500, .02), draw(5000, .003)
	before := measured(t, o, old...)
	now := measured(t, o, lately...)
	for _, q := range []float64{.01, .5, .9, .99} {
		require.InEpsilon(t, exact(append(slices.Clone(old), lately...), q), now.quantile(q), .05, "%v of all", q)
		require.InEpsilon(t, exact(lately, q), now.since(before).quantile(q), .05, "%v between", q)
		require.InEpsilon(t, exact(lately, q), now.coarser(1).since(before).quantile(q), .4, "%v of joined ones", q)
		require.InEpsilon(t, exact(lately, q), now.since(before.coarser(1)).quantile(q), .4, "%v of joined ones", q)
	}
	require.Len(t, now.since(before).counts, len(now.counts))
	require.InDelta(t, 5000, now.since(before).total, 0)
	both := now.since(before).plus(now.since(before), 1)
	require.InDelta(t, 10000, both.total, 0)
	require.InEpsilon(t, exact(lately, .9), both.quantile(.9), .05)

	require.True(t, math.IsNaN(histogram{}.quantile(.5)))
	require.True(t, math.IsNaN(now.since(now).quantile(.5)), "nothing was measured")
	anew := measured(t, timing.New("x", "y", "z").WithLabelValues("a"), .5)
	require.InEpsilon(t, .5, anew.since(now).quantile(.5), .05, "it began anew")
	require.Zero(t, measured(t, timing.New("x", "y", "z").WithLabelValues("a"), 0, 0).quantile(.5))
}

// reading is a sample some seconds after the start of the test's time.
func reading(at, started int, sends float64) sample {
	begin := time.UnixMilli(1_800_000_000_000)
	return sample{at: begin.Add(time.Duration(at) * time.Second), started: begin.Add(time.Duration(started) * time.Second),
		values: map[string]float64{"sends": sends}, labels: map[string]map[string]float64{"codes": {"full": sends / 2, "none": 7}}}
}

// A rate is what was counted in the last ten seconds, by how long it took; a node that was restarted counts from its start, and what it counted before is nobody's loss.
func TestRates(t *testing.T) {
	var h history
	require.Zero(t, h.rate("sends"))
	h = h.add(reading(0, -100, 1000))
	require.Zero(t, h.rate("sends"), "one reading tells no rate")
	require.Zero(t, h.seconds())
	h = h.add(reading(2, -100, 1020))
	require.InDelta(t, 10, h.rate("sends"), 1e-9)
	require.Equal(t, map[string]float64{"full": 5}, h.byLabel("codes"))
	for at := 4; at <= 30; at += 2 {
		h = h.add(reading(at, -100, 1020))
	}
	require.Zero(t, h.rate("sends"), "it stands still for longer than the window")
	require.InDelta(t, 10, h.seconds(), 0)
	require.LessOrEqual(t, len(h), 6)

	back := h.add(reading(40, 35, 50))
	require.InDelta(t, 10, back.rate("sends"), 1e-9, "50 in the 5 s since it was started")
	back = h.add(reading(40, 35, 2040))
	require.InDelta(t, 408, back.rate("sends"), 1e-9, "it has counted more than it had before")
	require.InDelta(t, 204, back.byLabel("codes")["full"], 1e-9)
	back = back.add(reading(44, 35, 2041))
	require.InDelta(t, 2041./9, back.rate("sends"), 1e-9)
	require.GreaterOrEqual(t, h.add(reading(32, 25, 3)).rate("sends"), 0.0, "its clock is another")
	require.InDelta(t, 2, h.add(reading(32, 25, 4)).rate("sends"), 1e-9)

	h = h.add(reading(31, -100, 3))
	require.GreaterOrEqual(t, h.rate("sends"), 0.0, "a counter that goes back makes no rate below nothing")
}

// What all nodes tell alike is not added up; what each counts is.
func TestTotals(t *testing.T) {
	node := func(waiting, conns, lag float64) history {
		s := sample{values: map[string]float64{"bellhop_redis_up": 1, "bellhop_connections": conns, "bellhop_archive_lag_seconds": lag},
			labels: map[string]map[string]float64{"bellhop_sessions": {"waiting": waiting}, "bellhop_refusals_total": {"full": 0, "taken": 0}}}
		next := s
		next.at = s.at.Add(2 * time.Second)
		next.values = map[string]float64{"bellhop_redis_up": 1, "bellhop_connections": conns, "bellhop_archive_lag_seconds": lag, "bellhop_sends_acknowledged_total": 8}
		next.labels = map[string]map[string]float64{"bellhop_sessions": {"waiting": waiting}, "bellhop_refusals_total": {"full": 1, "taken": conns}}
		return history{s, next}
	}
	var all Totals
	all.add(node(3, 10, 5))
	all.add(node(4, 20, 6))
	require.InDelta(t, 4, all.sessions["waiting"], 0)
	require.InDelta(t, 6, all.archiveSeconds, 0)
	require.InDelta(t, 30, all.conns, 0)
	require.InDelta(t, 8, all.sends, 1e-9)
	require.Equal(t, []string{"taken", "full"}, all.refused())
	require.True(t, all.known)
}
