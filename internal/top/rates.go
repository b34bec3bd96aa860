package top

import (
	"time"
)

// window is how long what is shown as a rate was counted. A reading from before is kept for its begin.
const window = 10 * time.Second

// history is what a node told lately, the oldest first.
type history []sample

// add keeps a reading, and forgets what is not needed any more. A node that was restarted
// counts from nothing: so does what was before it, at the moment of its start.
func (h history) add(s sample) history {
	if n := len(h); n > 0 && s.started.Sub(h[n-1].started) > time.Second {
		zero := sample{at: s.started}
		if zero.at.Before(h[n-1].at) { // its clock is another
			zero.at = h[n-1].at
		}
		h = history{zero}
	}
	h = append(h, s)
	for len(h) > 2 && s.at.Sub(h[1].at) >= window {
		h = h[1:]
	}
	return h
}

// last is the newest reading, the zero value where there is none.
func (h history) last() sample {
	if len(h) == 0 {
		return sample{}
	}
	return h[len(h)-1]
}

// seconds is how long the rates were counted; 0 before there are two readings.
func (h history) seconds() float64 {
	if len(h) < 2 {
		return 0
	}
	return h.last().at.Sub(h[0].at).Seconds()
}

// rate is how much a counter grows in a second.
func (h history) rate(name string) float64 {
	return h.each(func(s sample) float64 { return s.values[name] })
}

// each is the growth, in a second, of what is read from a sample.
func (h history) each(of func(sample) float64) float64 {
	seconds := h.seconds()
	if seconds <= 0 {
		return 0
	}
	now, before := of(h.last()), of(h[0])
	if now < before {
		before = 0
	}
	return (now - before) / seconds
}

// byLabel are the rates of a counter with a label, by its value; without those that stand still.
func (h history) byLabel(name string) map[string]float64 {
	out := map[string]float64{}
	for label := range h.last().labels[name] {
		if r := h.each(func(s sample) float64 { return s.labels[name][label] }); r > 0 {
			out[label] = r
		}
	}
	return out
}

// times is what was measured in the window, under one label or, for "", under all.
func (h history) times(name, label string) (sum histogram) {
	if len(h) < 2 {
		return histogram{}
	}
	for l, now := range h.last().times[name] {
		if label == "" || l == label {
			sum = sum.plus(now.since(h[0].times[name][l]), 1)
		}
	}
	return sum
}
