package top

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// histogram is a native histogram of times, in seconds: counts[i] had times above bound(i-1) and up to bound(i).
type histogram struct {
	schema int32
	total  float64
	zero   float64 // of these so short that they are in no bucket
	counts map[int]float64
}

// newHistogram takes a histogram apart: buckets come as spans, and as what each has more than the one before it.
func newHistogram(m *dto.Histogram) histogram {
	h := histogram{schema: m.GetSchema(), total: float64(m.GetSampleCount()), zero: float64(m.GetZeroCount()), counts: map[int]float64{}}
	deltas, count, i := m.GetPositiveDelta(), int64(0), 0
	for _, span := range m.GetPositiveSpan() {
		i += int(span.GetOffset())
		for n := min(int(span.GetLength()), len(deltas)); n > 0; n-- {
			count += deltas[0]
			deltas = deltas[1:]
			h.counts[i] = float64(count)
			i++
		}
	}
	return h
}

// bound is the upper end of a bucket, in seconds.
func (h histogram) bound(i int) float64 { return math.Exp2(math.Ldexp(float64(i), -int(h.schema))) }

// coarser has the buckets of a lower schema, each of several of these.
func (h histogram) coarser(schema int32) histogram {
	if h.counts == nil || schema >= h.schema {
		return h
	}
	out := histogram{schema: schema, total: h.total, zero: h.zero, counts: map[int]float64{}}
	for i, n := range h.counts {
		out.counts[int(math.Ceil(math.Ldexp(float64(i), int(schema-h.schema))))] += n
	}
	return out
}

// plus adds times up, with sign -1 takes them away.
func (h histogram) plus(o histogram, sign float64) histogram {
	switch {
	case o.counts == nil:
		return h
	case h.counts == nil:
		h.schema = o.schema
	}
	schema := min(h.schema, o.schema)
	h, o = h.coarser(schema), o.coarser(schema)
	out := histogram{schema: schema, total: h.total + sign*o.total, zero: h.zero + sign*o.zero, counts: map[int]float64{}}
	for i, n := range h.counts {
		out.counts[i] = n
	}
	for i, n := range o.counts {
		out.counts[i] = max(0, out.counts[i]+sign*n) // a node forgets what it measured longest ago
	}
	return out
}

// since is what was measured after an earlier reading; all of it, where the node began anew.
func (h histogram) since(before histogram) histogram {
	if h.total < before.total {
		return h
	}
	return h.plus(before, -1)
}

// quantile is the time, in seconds, that the share q of all did not exceed; NaN where there was none.
func (h histogram) quantile(q float64) float64 {
	sum := h.zero
	keys := make([]int, 0, len(h.counts))
	for i, n := range h.counts {
		keys = append(keys, i)
		sum += n
	}
	if sum <= 0 {
		return math.NaN()
	}
	slices.Sort(keys)
	rank := q*sum - h.zero
	if rank <= 0 {
		return 0
	}
	last := 0
	for _, i := range keys {
		n := h.counts[i]
		if n == 0 {
			continue
		}
		if rank <= n { // as Prometheus has it: evenly spread, by their logarithms
			low, high := h.bound(i-1), h.bound(i)
			return low * math.Pow(high/low, rank/n)
		}
		rank -= n
		last = i
	}
	return h.bound(last) // rounding
}
