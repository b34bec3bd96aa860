package stats

import (
	"strconv"
	"strings"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"bellhop/broker/chat"
)

// accuracy is the relative error of a percentile, as lib/stats.lua counts.
const accuracy = 0.01

// tally adds up what was counted, over any hours, queues and agents.
type tally struct {
	n     map[string]int64
	times map[string]*durations // by their metric
}

// durations are a sketch of many, in ms.
type durations struct {
	sum  int64
	bins *store.BufferedPaginatedStore
}

func newTally() *tally { return &tally{map[string]int64{}, map[string]*durations{}} }

func (t *tally) add(sums map[string]int64) {
	for metric, n := range sums {
		name, bin, ok := strings.Cut(metric, ".")
		if !ok || len(name) > 1 {
			t.n[metric] += n
			continue
		}
		d := t.durations(name)
		if i, err := strconv.Atoi(bin); err == nil {
			d.bins.AddWithCount(i, float64(n))
		} else {
			d.sum += n
		}
	}
}

func (t *tally) durations(name string) *durations {
	if t.times[name] == nil {
		t.times[name] = &durations{bins: store.NewBufferedPaginatedStore()}
	}
	return t.times[name]
}

func (t *tally) merge(o *tally) {
	for metric, n := range o.n {
		t.n[metric] += n
	}
	for name, d := range o.times {
		mine := t.durations(name)
		mine.sum += d.sum
		mine.bins.MergeWith(d.bins)
	}
}

// weight tells how much there is of it.
func (t *tally) weight() int64 { return t.n["opened"] + t.n["grabbed"] + t.n["ended"] }

// counts are the figures as they are shown; of an agent each stretch that it had
// a session, else each session once, when it has ended.
func (t *tally) counts(agent bool) chat.StatsCounts {
	handling := "h"
	if agent {
		handling = "o"
	}
	c := chat.StatsCounts{Opened: t.n["opened"], Grabbed: t.n["grabbed"], Accepted: t.n["accepted"],
		Transferred: t.n["transferred"], Requeued: t.n["requeued"], Ended: t.n["ended"], Abandoned: t.n["abandoned"],
		Unanswered: t.n["unanswered"], WaitingTime: t.seconds("w"), FirstResponse: t.seconds("r"), Handling: t.seconds(handling),
		Bots: chat.StatsBots{WaitingTime: t.seconds("W"), FirstResponse: t.seconds("R"), Handling: t.seconds(strings.ToUpper(handling))}}
	var sum int64
	for i := range c.Ratings.Scores {
		n := t.n["rating."+strconv.Itoa(i+1)]
		c.Ratings.Scores[i] = n
		c.Ratings.Count += n
		sum += n * int64(i+1)
	}
	if c.Ratings.Count > 0 {
		mean := float64(sum) / float64(c.Ratings.Count)
		c.Ratings.Mean = &mean
	}
	return c
}

// occupancy is how agents spent their time; an agent at work counts as online.
func (t *tally) occupancy() *chat.StatsOccupancy {
	idle, busy := t.n["agent.1"], t.n["agent.2"]+t.n["agent.3"]
	o := &chat.StatsOccupancy{Online: float64(idle+busy) / 1000, Busy: float64(busy) / 1000}
	if idle+busy > 0 {
		rate := o.Busy / o.Online
		o.Rate = &rate
	}
	return o
}

func (t *tally) seconds(name string) chat.StatsTimes {
	d := t.times[name]
	if d == nil || d.bins.IsEmpty() {
		return chat.StatsTimes{}
	}
	index, err := mapping.NewLogarithmicMapping(accuracy)
	if err != nil {
		panic(err) // the accuracy is a constant
	}
	sketch := ddsketch.NewDDSketch(index, d.bins, store.NewSparseStore())
	q, err := sketch.GetValuesAtQuantiles([]float64{0.5, 0.9, 0.95, 0.99})
	if err != nil {
		panic(err) // it is not empty, and those are quantiles
	}
	out := chat.StatsTimes{Count: int64(sketch.GetCount())}
	mean := float64(d.sum) / 1000 / float64(out.Count)
	out.Mean = &mean
	for i, to := range []**float64{&out.Median, &out.P90, &out.P95, &out.P99} {
		v := q[i] / 1000
		*to = &v
	}
	return out
}
