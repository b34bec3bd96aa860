package stats

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	flushPause = time.Minute     // between two flushes: what is lost with a Redis that is lost
	sealGrace  = 5 * time.Minute // an hour is sealed this long after its end
	flushLease = 45 * time.Second
	rollBatch  = 200  // agents in one step
	trimBatch  = 1000 // fields in one command
)

// Start begins to flush, until the node's end.
func (s *Stats) Start() { s.store.Loop(flushPause, s.tend) }

// tend flushes what is due. Any node does it; they keep off each other's
// partitions, and where that fails nothing is harmed.
func (s *Stats) tend(ctx context.Context) {
	var mine []store.Partition
	for _, p := range s.store.Parts {
		if !s.works(p) {
			continue
		}
		free, err := s.store.Redis.SetNX(ctx, p.Flusher(), s.store.Node, flushLease).Result()
		if err == nil && free {
			mine = append(mine, p)
		}
	}
	if err := s.Flush(ctx, mine...); err != nil && ctx.Err() == nil {
		s.store.Log.Warn("statistics not archived; they stay in Redis, and it is tried again", "error", err)
	}
}

// flush is one partition's part of a flush.
type flush struct {
	part    store.Partition
	sealed  int64 // the last hour that could not change any more before the scan began
	scan    *scanned
	records []archive.Record
}

// Flush counts agents' time up to now, archives the hours of partitions as
// they are, and removes from Redis those that the archive has the last of. It may
// be stopped anywhere and run anew, and anywhere else at the same time.
func (s *Stats) Flush(ctx context.Context, parts ...store.Partition) error {
	flushes := make([]*flush, len(parts))
	var g errgroup.Group
	g.SetLimit(8)
	for i, p := range parts {
		flushes[i] = &flush{part: p}
		g.Go(func() error { return s.gather(ctx, flushes[i]) })
	}
	if err := g.Wait(); err != nil || s.archive == nil {
		return err
	}
	var records []archive.Record
	for _, f := range flushes {
		records = append(records, f.records...)
	}
	if len(records) > 0 {
		if err := s.archive.PutRecords(ctx, records); err != nil {
			return store.ArchiveError("statistics", err)
		}
	}
	for _, f := range flushes {
		if err := s.trim(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// gather reads what is to be archived. The order matters: no agent's time is
// open in an hour that is sealed, and no hour changes that is sealed before the scan.
func (s *Stats) gather(ctx context.Context, f *flush) error {
	scan, err := s.scan(ctx, f.part)
	if err != nil {
		return err
	}
	if err := s.roll(ctx, f.part, scan); err != nil || s.archive == nil {
		return err
	}
	r, err := s.store.Run(ctx, "seal", []string{f.part.Stats()}, sealGrace.Milliseconds())
	if err != nil {
		return err
	}
	f.sealed = r.Num(1)
	for n, h := range scan.hours {
		if h.name != "" {
			continue
		}
		if err := s.store.Redis.HSetNX(ctx, f.part.Stats(), hourField(n, "name"), ulid.Make().String()).Err(); err != nil {
			return store.RedisError("statistics", err)
		}
	}
	if f.scan, err = s.scan(ctx, f.part); err != nil {
		return err
	}
	for n, h := range f.scan.hours {
		if h.name != "" && len(h.rows) > 0 {
			f.records = append(f.records, h.record(n, f.part.Index))
		}
	}
	return nil
}

// roll counts agents' time up to now.
func (s *Stats) roll(ctx context.Context, p store.Partition, scan *scanned) error {
	agents := make([]any, 0, len(scan.agents))
	for id := range scan.agents {
		agents = append(agents, id)
	}
	for batch := range slices.Chunk(agents, rollBatch) {
		if _, err := s.store.Run(ctx, "roll", []string{p.Stats()}, batch...); err != nil {
			return err
		}
	}
	return nil
}

// hourField names what is of an hour as a whole.
func hourField(hour int64, what string) string { return strconv.FormatInt(hour, 10) + "|" + what + "|" }

// trim removes the sealed hours, which the archive has now. Its name goes
// last, so that what is left of one is known for a part of it: it sums up to less,
// and is an earlier version of its record.
func (s *Stats) trim(ctx context.Context, f *flush) error {
	key := f.part.Stats()
	for n, h := range f.scan.hours {
		if n > f.sealed || h.name == "" {
			continue
		}
		for batch := range slices.Chunk(h.fields(n), trimBatch) {
			if err := s.store.Redis.HDel(ctx, key, batch...).Err(); err != nil {
				return store.RedisError("statistics", err)
			}
		}
		if err := s.store.Redis.HDel(ctx, key, hourField(n, "name")).Err(); err != nil {
			return store.RedisError("statistics", err)
		}
	}
	return nil
}

// fields are the names of all that was found of the hour, but its own.
func (h *hourly) fields(n int64) []string {
	out := []string{hourField(n, "queues")}
	for _, q := range h.queues {
		out = append(out, hourField(n, "queue")+q)
	}
	for w, sums := range h.rows {
		for metric := range sums {
			out = append(out, hourField(n, metric)+w.queue+chat.SepField+w.agent)
		}
	}
	return out
}

// Close is the last flush of a node: all hours of all partitions.
func (s *Stats) Close(ctx context.Context) error {
	err := s.Flush(ctx, s.store.Parts...)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return store.ArchiveError("close", err)
	}
	return err
}
