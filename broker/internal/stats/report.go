package stats

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"bellhop/broker/chat"
	"bellhop/internal/civil"
)

const maxRows = 1000 // queues in one answer; users name them as they like

// span is the time asked for, in hours since the epoch: [from, to).
type span struct {
	from, to int64
	until    int64 // ms
	zone     *time.Location
}

// spanOf checks a request, whose defaults it fills in.
func spanOf(r *chat.StatsRequest, now time.Time) (s span, err error) {
	if r.Bucket == "" {
		r.Bucket = "hour"
	}
	if !slices.Contains([]string{"hour", "day", "week", "month"}, r.Bucket) {
		return s, chat.Errorf(chat.CodeBadRequest, "bucket: hour, day, week or month")
	}
	if r.Zone == "" {
		r.Zone = "UTC"
	}
	if s.zone, err = time.LoadLocation(r.Zone); err != nil || strings.EqualFold(r.Zone, "local") {
		return s, chat.Errorf(chat.CodeBadRequest, "tz: the name of a time zone, like Asia/Shanghai")
	}
	if r.Queue != "" {
		err = chat.ValidID("queue", r.Queue)
	}
	if err == nil && r.Agent != "" {
		err = chat.ValidID("agent", r.Agent)
	}
	if err != nil {
		return s, err
	}
	if r.Until == 0 {
		r.Until = now.UnixMilli()
	}
	if r.Since == 0 {
		r.Since = r.Until - 24*hourMS
	}
	switch {
	case r.Since < 0 || r.Until <= r.Since:
		return s, chat.Errorf(chat.CodeBadRequest, "since, until: the one before the other, from 1970 on")
	case r.Until-r.Since > chat.MaxStatsSpan.Milliseconds():
		return s, chat.Errorf(chat.CodeBadRequest, "since, until: at most %d days", int(chat.MaxStatsSpan.Hours()/24))
	case r.Bucket == "hour" && (r.Until-r.Since)/hourMS > chat.MaxStatsBuckets-2:
		return s, chat.Errorf(chat.CodeBadRequest, "bucket: at most %d in one answer", chat.MaxStatsBuckets)
	}
	s.until = r.Until
	s.from, s.to = r.Since/hourMS, (r.Until+hourMS-1)/hourMS
	return s, nil
}

// bucket is the begin of the bucket that an hour belongs to: the one it begins in.
func (s *span) bucket(kind string, hour int64) time.Time {
	t := time.UnixMilli(hour * hourMS).In(s.zone)
	y, m, d := t.Date()
	switch kind {
	case "day":
		return civil.Midnight(y, m, d, s.zone)
	case "week":
		return civil.Midnight(y, m, d-(int(t.Weekday())+6)%7, s.zone)
	case "month":
		return civil.Midnight(y, m, 1, s.zone)
	default:
		return t
	}
}

// report adds up hours for one answer.
type report struct {
	span
	r       chat.StatsRequest
	totals  *tally
	buckets map[int64]*tally // by their begin, ms
	starts  map[int64]int64  // hour → its bucket's begin
	queues  map[string]*tally
	agents  map[string]*tally
}

func newReport(r chat.StatsRequest, asked span) *report {
	s := &report{span: asked, r: r, totals: newTally(), buckets: map[int64]*tally{}, starts: map[int64]int64{},
		queues: map[string]*tally{}, agents: map[string]*tally{}}
	for h := s.from; h < s.to; h++ {
		start := s.bucket(r.Bucket, h).UnixMilli()
		s.starts[h] = start
		named(s.buckets, start)
	}
	return s
}

func named[K comparable](m map[K]*tally, k K) *tally {
	if m[k] == nil {
		m[k] = newTally()
	}
	return m[k]
}

func (s *report) add(hour int64, rows sheet) {
	start, in := s.starts[hour]
	if !in {
		return
	}
	for w, sums := range rows {
		if s.r.Queue != "" && w.queue != s.r.Queue || s.r.Agent != "" && w.agent != s.r.Agent {
			continue
		}
		s.totals.add(sums)
		s.buckets[start].add(sums)
		if w.agent != "" {
			named(s.agents, w.agent).add(sums)
		}
		if w.queue != "" || w.agent == "" {
			named(s.queues, w.queue).add(sums)
		}
	}
}

// fold makes one of the queues that are too many.
func (s *report) fold() {
	if len(s.queues) <= maxRows {
		return
	}
	rest := named(s.queues, "")
	for _, q := range heaviest(s.queues)[maxRows:] {
		if q != "" {
			rest.merge(s.queues[q])
			delete(s.queues, q)
		}
	}
}

// heaviest orders names by how much there is of each, then by name.
func heaviest(m map[string]*tally) []string {
	return slices.SortedFunc(maps.Keys(m), func(x, y string) int {
		return cmp.Or(cmp.Compare(m[y].weight(), m[x].weight()), cmp.Compare(x, y))
	})
}

// wanted are those of some queues that the answer is about.
func (s *report) wanted(queues map[string]bool) []string {
	if s.r.Queue != "" {
		return []string{s.r.Queue}
	}
	if s.r.Agent != "" {
		return slices.Collect(maps.Keys(s.queues))
	}
	return slices.Collect(maps.Keys(queues))
}

func (s *report) reply(waiting map[string]int64, serving map[whom]int64, agents []chat.AgentInfo) chat.StatsReply {
	out := chat.StatsReply{Since: chat.At(s.from * hourMS), Until: chat.At(s.until), Bucket: s.r.Bucket, Zone: s.zone.String(),
		Totals: s.figures(s.totals), Buckets: []chat.StatsBucket{}, Queues: []chat.StatsQueue{}, Agents: []chat.StatsAgent{}}
	for _, start := range slices.Sorted(maps.Keys(s.buckets)) {
		out.Buckets = append(out.Buckets, chat.StatsBucket{Start: chat.At(start), StatsCounts: s.figures(s.buckets[start])})
	}
	byQueue, byAgent := map[string]int64{}, map[string]int64{}
	for w, n := range serving {
		if s.r.Queue != "" && w.queue != s.r.Queue || s.r.Agent != "" && w.agent != s.r.Agent {
			continue
		}
		out.Serving += n
		byQueue[w.queue] += n
		byAgent[w.agent] += n
		named(s.queues, w.queue)
		named(s.agents, w.agent)
	}
	for q, n := range waiting {
		out.Waiting += n
		if n > 0 {
			named(s.queues, q)
		}
	}
	for _, q := range slices.Sorted(maps.Keys(s.queues)) {
		row := chat.StatsQueue{Queue: &q, Waiting: waiting[q], Serving: byQueue[q], StatsCounts: s.queues[q].counts(s.r.Agent != "")}
		if q == "" {
			row.Queue = nil
		}
		out.Queues = append(out.Queues, row)
	}
	known := map[string]*chat.AgentInfo{}
	for i := range agents {
		known[agents[i].ID] = &agents[i]
	}
	for _, id := range slices.Sorted(maps.Keys(s.agents)) {
		row := chat.StatsAgent{Agent: id, Status: chat.Offline, Serving: byAgent[id], StatsCounts: s.agents[id].counts(true)}
		if i := known[id]; i != nil {
			row.Name, row.Status = i.Name, i.Status
		}
		if s.r.Queue == "" {
			row.Occupancy = s.agents[id].occupancy()
		}
		out.Agents = append(out.Agents, row)
	}
	return out
}

// figures are a tally's over all that the answer is about.
func (s *report) figures(t *tally) chat.StatsCounts {
	c := t.counts(s.r.Agent != "")
	if s.r.Queue == "" {
		c.Occupancy = t.occupancy()
	}
	return c
}
