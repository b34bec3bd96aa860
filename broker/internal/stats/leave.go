package stats

import (
	"context"
	"strconv"

	"github.com/oklog/ulid/v2"

	"bellhop/archive"
	"bellhop/broker/internal/store"
)

// Left is what goes on elsewhere of statistics that nothing is counted in any more.
type Left struct {
	Sealed int64             // the last hour that never changes again
	Agents map[string]string // how they are and since when, by their field
}

// Leave archives the hours under a key in which nothing is counted any more, which was
// that of a partition. They need no room in Redis then: what is counted afterwards, of
// the same hours, has records of its own. It may be repeated.
func (s *Stats) Leave(ctx context.Context, key string, part int) (Left, error) {
	scan, err := s.scanKey(ctx, key)
	if err != nil {
		return Left{}, err
	}
	left := Left{scan.sealed, make(map[string]string, len(scan.agents))}
	for agent, t := range scan.agents {
		left.Agents[agent] = t.flags + "|" + strconv.FormatInt(t.since, 10)
	}
	if s.archive == nil {
		return left, nil
	}
	var records []archive.Record
	for n, h := range scan.hours {
		if len(h.rows) == 0 {
			continue
		}
		if h.name == "" {
			h.name = ulid.Make().String()
			if err := s.store.Redis.HSetNX(ctx, key, hourField(n, "name"), h.name).Err(); err != nil {
				return Left{}, store.RedisError("statistics", err)
			}
			if h.name, err = s.store.Redis.HGet(ctx, key, hourField(n, "name")).Result(); err != nil {
				return Left{}, store.RedisError("statistics", err)
			}
		}
		records = append(records, h.record(n, part))
	}
	if len(records) == 0 {
		return left, nil
	}
	return left, store.ArchiveError("statistics", s.archive.PutRecords(ctx, records))
}
