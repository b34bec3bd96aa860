package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// recordStats is the kind of an hour's statistics of one partition.
const recordStats = "stats"

const hourMS = int64(time.Hour / time.Millisecond)

// statsWho is whom a count is for. Without a queue it is one of those beyond
// what an hour keeps by name, or an agent's time, which is of no queue.
type statsWho struct{ queue, agent string }

// statsRows are an hour's sums: by whom, then by metric, as lib/stats.lua names them.
type statsRows map[statsWho]map[string]int64

func (r statsRows) add(w statsWho, metric string, n int64) {
	if r[w] == nil {
		r[w] = map[string]int64{}
	}
	r[w][metric] += n
}

// latest takes over what is newer elsewhere. Sums only grow, so the greater is
// the newer, whichever of the two was read or written first.
func (r statsRows) latest(o statsRows) {
	for w, sums := range o {
		for metric, n := range sums {
			r.add(w, metric, max(0, n-r[w][metric]))
		}
	}
}

// version grows with every change, and is less of a part: whoever saw an hour
// half removed cannot undo what the archive has of it.
func (r statsRows) version() (v int64) {
	for _, sums := range r {
		for _, n := range sums {
			v += n
		}
	}
	return v
}

// statsHour is one hour in one partition's Redis. Its name tells it from the
// same hour in a Redis that was lost: their sums are of different events.
type statsHour struct {
	name string // "" until it is first archived
	rows statsRows

	queues []string // that it keeps by name
}

// statsScan is what one partition's Redis holds of statistics.
type statsScan struct {
	sealed  int64                // the last hour that never changes again
	hours   map[int64]*statsHour // by hours since the epoch
	serving map[statsWho]int64   // sessions with an agent now
	agents  map[string]agentTime
}

// agentTime is how an agent is now, and since when.
type agentTime struct {
	flags string
	since int64 // ms
}

// scanStats reads a partition's statistics, some at a time: they may be large.
// So it is no snapshot, but of an hour that is sealed it is all there is.
func (b *Broker) scanStats(ctx context.Context, p store.Partition) (*statsScan, error) {
	for try := 1; ; try++ {
		s := &statsScan{hours: map[int64]*statsHour{}, serving: map[statsWho]int64{}, agents: map[string]agentTime{}}
		for cursor := uint64(0); ; {
			list, next, err := b.Redis.HScan(ctx, p.Stats(), cursor, "", 200).Result()
			if err != nil {
				return nil, store.RedisError("statistics", err)
			}
			for i := 0; i+1 < len(list); i += 2 {
				s.field(list[i], list[i+1])
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
		// A sealed hour without its name was being removed, unless it was never archived.
		removed := false
		for n, h := range s.hours {
			removed = removed || n <= s.sealed && h.name == ""
		}
		if !removed || try == 3 {
			return s, nil
		}
	}
}

func (s *statsScan) field(field, value string) {
	n, _ := strconv.ParseInt(value, 10, 64)
	first, rest, _ := strings.Cut(field, "|")
	metric, rest, ok := strings.Cut(rest, "|")
	queue, agent, _ := strings.Cut(rest, chat.SepField)
	hour, err := strconv.ParseInt(first, 10, 64)
	switch {
	case field == "sealed":
		s.sealed = n
	case !ok:
	case first == "now" && metric == "serving":
		s.serving[statsWho{queue, agent}] = n
	case first == "now" && metric == "agent":
		flags, since, _ := strings.Cut(value, "|")
		t, _ := strconv.ParseInt(since, 10, 64)
		s.agents[agent] = agentTime{flags, t}
	case err == nil:
		s.hour(hour).field(metric, statsWho{queue, agent}, value, n)
	}
}

func (s *statsScan) hour(n int64) *statsHour {
	if s.hours[n] == nil {
		s.hours[n] = &statsHour{rows: statsRows{}}
	}
	return s.hours[n]
}

func (h *statsHour) field(metric string, w statsWho, value string, n int64) {
	switch metric {
	case "name":
		h.name = value
	case "queues": // how many names there are
	case "queue":
		h.queues = append(h.queues, w.queue)
	default:
		if h.rows[w] == nil {
			h.rows[w] = map[string]int64{}
		}
		h.rows[w][metric] = n // a scan may give a field twice
	}
}

// statsID orders records by their hour, so that a range of time is a range of ids.
func statsID(hour int64, part int, name string) string {
	return fmt.Sprintf("%s|%02x|%s", statsDay(hour), part, name)
}

const statsLayout = "2006010215"

func statsDay(hour int64) string { return time.UnixMilli(hour * hourMS).UTC().Format(statsLayout) }

// statsRecord is one row of a record.
type statsRecord struct {
	Queue string           `json:"q,omitempty"`
	Agent string           `json:"a,omitempty"`
	Sums  map[string]int64 `json:"n"`
}

// record is an hour as the archive keeps it: all of it, so that writing it again does no harm.
func (h *statsHour) record(hour int64, part int) archive.Record {
	rows := make([]statsRecord, 0, len(h.rows))
	for w, sums := range h.rows {
		rows = append(rows, statsRecord{w.queue, w.agent, sums})
	}
	slices.SortFunc(rows, func(x, y statsRecord) int {
		if c := strings.Compare(x.Queue, y.Queue); c != 0 {
			return c
		}
		return strings.Compare(x.Agent, y.Agent)
	})
	return archive.Record{Kind: recordStats, ID: statsID(hour, part, h.name), Version: h.rows.version(), Data: []byte(chat.Encode(rows))}
}

// parseStats reads a record.
func parseStats(r *archive.Record) (hour int64, rows statsRows, err error) {
	day, _, _ := strings.Cut(r.ID, "|")
	at, err := time.Parse(statsLayout, day)
	if err != nil {
		return 0, nil, fmt.Errorf("statistics %s: %w", r.ID, err)
	}
	var list []statsRecord
	if err := json.Unmarshal(r.Data, &list); err != nil {
		return 0, nil, fmt.Errorf("statistics %s: %w", r.ID, err)
	}
	rows = make(statsRows, len(list))
	for _, l := range list {
		rows[statsWho{l.Queue, l.Agent}] = l.Sums
	}
	return at.UnixMilli() / hourMS, rows, nil
}

// archivedStats goes through what the archive has of the hours in [from, to), by id.
func (b *Broker) archivedStats(ctx context.Context, from, to int64, each func(id string, hour int64, rows statsRows)) error {
	if b.archiver == nil {
		return nil
	}
	for after := statsDay(from); ; {
		list, err := b.opt.Archive.Records(ctx, recordStats, after, 200)
		if err != nil {
			return store.ArchiveError("statistics", err)
		}
		for i := range list {
			hour, rows, err := parseStats(&list[i])
			if err != nil {
				return err
			}
			if hour >= to {
				return nil
			}
			each(list[i].ID, hour, rows)
			after = list[i].ID
		}
		if len(list) < 200 {
			return nil
		}
	}
}

// open is the time that has passed and is not counted yet, of the agents as they are at `now`.
func (s *statsScan) open(now int64) map[int64]statsRows {
	hours := map[int64]statsRows{}
	for agent, t := range s.agents {
		if now-t.since > 2*hourMS {
			continue // as lib/occupancy.lua has it
		}
		for from := t.since; from < now; {
			hour := from / hourMS
			till := min(now, (hour+1)*hourMS)
			if hours[hour] == nil {
				hours[hour] = statsRows{}
			}
			hours[hour].add(statsWho{"", agent}, "agent."+t.flags, till-from)
			from = till
		}
	}
	return hours
}
