package stats

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

// recordKind is the kind of an hour's statistics of one partition.
const recordKind = "stats"

const hourMS = int64(time.Hour / time.Millisecond)

// whom a count is for. Without a queue it is one of those beyond what an hour
// keeps by name, or an agent's time, which is of no queue.
type whom struct{ queue, agent string }

// sheet holds an hour's sums: by whom, then by metric, as lib/stats.lua names them.
type sheet map[whom]map[string]int64

func (r sheet) add(w whom, metric string, n int64) {
	if r[w] == nil {
		r[w] = map[string]int64{}
	}
	r[w][metric] += n
}

// latest takes over what is newer elsewhere. Sums only grow, so the greater is
// the newer, whichever of the two was read or written first.
func (r sheet) latest(o sheet) {
	for w, sums := range o {
		for metric, n := range sums {
			r.add(w, metric, max(0, n-r[w][metric]))
		}
	}
}

// version grows with every change, and is less of a part: whoever saw an hour
// half removed cannot undo what the archive has of it.
func (r sheet) version() (v int64) {
	for _, sums := range r {
		for _, n := range sums {
			v += n
		}
	}
	return v
}

// hourly is one hour in one partition's Redis. Its name tells it from the
// same hour in a Redis that was lost: their sums are of different events.
type hourly struct {
	name string // "" until it is first archived
	rows sheet

	queues []string // that it keeps by name
}

// scanned is what one partition's Redis holds of statistics.
type scanned struct {
	sealed  int64             // the last hour that never changes again
	hours   map[int64]*hourly // by hours since the epoch
	serving map[whom]int64    // sessions with an agent now
	agents  map[string]agentTime
}

// agentTime is how an agent is now, and since when.
type agentTime struct {
	flags string
	since int64 // ms
}

// scan reads a partition's statistics, some at a time: they may be large.
// So it is no snapshot, but of an hour that is sealed it is all there is.
func (s *Stats) scan(ctx context.Context, p store.Partition) (*scanned, error) {
	return s.scanKey(ctx, p.Stats())
}

func (s *Stats) scanKey(ctx context.Context, key string) (*scanned, error) {
	for try := 1; ; try++ {
		found := &scanned{hours: map[int64]*hourly{}, serving: map[whom]int64{}, agents: map[string]agentTime{}}
		for cursor := uint64(0); ; {
			list, next, err := s.store.Redis.HScan(ctx, key, cursor, "", 200).Result()
			if err != nil {
				return nil, store.RedisError("statistics", err)
			}
			for i := 0; i+1 < len(list); i += 2 {
				found.field(list[i], list[i+1])
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
		// A sealed hour without its name was being removed, unless it was never archived.
		removed := false
		for n, h := range found.hours {
			removed = removed || n <= found.sealed && h.name == ""
		}
		if !removed || try == 3 {
			return found, nil
		}
	}
}

func (s *scanned) field(field, value string) {
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
		s.serving[whom{queue, agent}] = n
	case first == "now" && metric == "agent":
		flags, since, _ := strings.Cut(value, "|")
		t, _ := strconv.ParseInt(since, 10, 64)
		s.agents[agent] = agentTime{flags, t}
	case err == nil:
		s.hour(hour).field(metric, whom{queue, agent}, value, n)
	}
}

func (s *scanned) hour(n int64) *hourly {
	if s.hours[n] == nil {
		s.hours[n] = &hourly{rows: sheet{}}
	}
	return s.hours[n]
}

func (h *hourly) field(metric string, w whom, value string, n int64) {
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

// recordID orders records by their hour, so that a range of time is a range of ids.
func recordID(hour int64, part int, name string) string {
	return fmt.Sprintf("%s|%02x|%s", hourText(hour), part, name)
}

const hourLayout = "2006010215"

func hourText(hour int64) string { return time.UnixMilli(hour * hourMS).UTC().Format(hourLayout) }

// line is one row of a record.
type line struct {
	Queue string           `json:"q,omitempty"`
	Agent string           `json:"a,omitempty"`
	Sums  map[string]int64 `json:"n"`
}

// record is an hour as the archive keeps it: all of it, so that writing it again does no harm.
func (h *hourly) record(hour int64, part int) archive.Record {
	rows := make([]line, 0, len(h.rows))
	for w, sums := range h.rows {
		rows = append(rows, line{w.queue, w.agent, sums})
	}
	slices.SortFunc(rows, func(x, y line) int {
		if c := strings.Compare(x.Queue, y.Queue); c != 0 {
			return c
		}
		return strings.Compare(x.Agent, y.Agent)
	})
	return archive.Record{Kind: recordKind, ID: recordID(hour, part, h.name), Version: h.rows.version(), Data: []byte(chat.Encode(rows))}
}

// parseRecord reads a record.
func parseRecord(r *archive.Record) (hour int64, rows sheet, err error) {
	day, _, _ := strings.Cut(r.ID, "|")
	at, err := time.Parse(hourLayout, day)
	if err != nil {
		return 0, nil, fmt.Errorf("statistics %s: %w", r.ID, err)
	}
	var list []line
	if err := json.Unmarshal(r.Data, &list); err != nil {
		return 0, nil, fmt.Errorf("statistics %s: %w", r.ID, err)
	}
	rows = make(sheet, len(list))
	for _, l := range list {
		rows[whom{l.Queue, l.Agent}] = l.Sums
	}
	return at.UnixMilli() / hourMS, rows, nil
}

// archived goes through what the archive has of the hours in [from, to), by id.
func (s *Stats) archived(ctx context.Context, from, to int64, each func(id string, hour int64, rows sheet)) error {
	if s.archive == nil {
		return nil
	}
	for after := hourText(from); ; {
		list, err := s.archive.Records(ctx, recordKind, after, 200)
		if err != nil {
			return store.ArchiveError("statistics", err)
		}
		for i := range list {
			hour, rows, err := parseRecord(&list[i])
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
func (s *scanned) open(now int64) map[int64]sheet {
	hours := map[int64]sheet{}
	for agent, t := range s.agents {
		if now-t.since > 2*hourMS {
			continue // as lib/occupancy.lua has it
		}
		for from := t.since; from < now; {
			hour := from / hourMS
			till := min(now, (hour+1)*hourMS)
			if hours[hour] == nil {
				hours[hour] = sheet{}
			}
			hours[hour].add(whom{"", agent}, "agent."+t.flags, till-from)
			from = till
		}
	}
	return hours
}
