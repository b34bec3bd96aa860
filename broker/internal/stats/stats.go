// Package stats gives a report of what was counted.
//
// Scripts count in the very step that makes it happen (lib/stats.lua), by the
// hour, each in the hash of its partition. What is counted is counted once and in
// one hour only: an hour that has been over for a while is sealed, and no hour is
// ever opened again. Every minute a node archives the hours as they are and takes
// those out of Redis of which the archive has the last; a report is the same
// before, between and after these steps, and wherever a node dies. When a Redis is
// lost, what it had counted since its last flush is lost with it, and nothing else.
//
// The keys `stats` and `flusher` of each partition are its own, and so are the
// scripts `roll` and `seal`; all scripts that count take `stats` as their last key
// but `hooks`. In the archive the records of the kind `stats` are its own. It runs
// one loop, the flush (see Start). It takes no lock: reports are made one at a time.
package stats

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Stats are the statistics of a deployment. Its methods may be called concurrently.
type Stats struct {
	store    *store.Store
	archive  Archive // nil without one
	current  Current
	works    func(store.Partition) bool
	counting chan struct{} // one, for who asks for a report: they cost Redis something
}

// Archive is where hours are kept once they are over. archive.Archive says more.
type Archive interface {
	PutRecords(ctx context.Context, records []archive.Record) error
	Records(ctx context.Context, kind, after string, limit int) ([]archive.Record, error)
}

// Current is who works and who waits now: what a report shows beside the counts.
type Current interface {
	// Agents are all agents that are known.
	Agents(ctx context.Context) ([]chat.AgentInfo, error)
	// Queues are the ids of the queues that somebody has set.
	Queues() []string
	// Waiting is how many wait in each of some queues.
	Waiting(ctx context.Context, queues []string) (map[string]int64, error)
}

// New looks after the statistics in a Redis, which need not be opened yet.
// Without an archive (nil) nothing leaves Redis. works tells whether this node looks after a partition.
func New(s *store.Store, a Archive, c Current, works func(store.Partition) bool) *Stats {
	return &Stats{store: s, archive: a, current: c, works: works, counting: make(chan struct{}, 1)}
}

// Report gives how it stands now, and what was in the time asked for.
// CodeBadRequest: what was asked for makes no sense, or is too much. Calls at the
// same time are answered one after the other.
func (s *Stats) Report(ctx context.Context, r chat.StatsRequest) (chat.StatsReply, error) {
	asked, err := spanOf(&r, time.Now())
	if err != nil {
		return chat.StatsReply{}, err
	}
	select {
	case s.counting <- struct{}{}:
		defer func() { <-s.counting }()
	case <-ctx.Done():
		return chat.StatsReply{}, store.RedisError("statistics", ctx.Err())
	}
	now, err := s.store.Redis.Time(ctx).Result()
	if err != nil {
		return chat.StatsReply{}, store.RedisError("time", err)
	}
	scans, err := s.scanAll(ctx)
	if err != nil {
		return chat.StatsReply{}, err
	}
	// Redis before the archive: what leaves Redis meanwhile is in the archive already.
	sums := newReport(r, asked)
	if err := s.sumHours(ctx, sums, scans, now.UnixMilli()); err != nil {
		return chat.StatsReply{}, err
	}
	return s.answer(ctx, sums, scans)
}

func (s *Stats) scanAll(ctx context.Context) ([]*scanned, error) {
	scans := make([]*scanned, len(s.store.Parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, p := range s.store.Parts {
		g.Go(func() (err error) {
			scans[i], err = s.scan(ctx, p)
			return err
		})
	}
	return scans, g.Wait()
}

// sumHours adds up what Redis and the archive have. An hour may be in both.
func (s *Stats) sumHours(ctx context.Context, sums *report, scans []*scanned, now int64) error {
	live := map[string]*hourly{} // by the ids of their records
	hours := map[string]int64{}
	for i, scan := range scans {
		for n, h := range scan.hours {
			id := recordID(n, i, h.name)
			live[id], hours[id] = h, n
		}
		for n, rows := range scan.open(now) {
			sums.add(n, rows)
		}
	}
	err := s.archived(ctx, sums.from, sums.to, func(id string, hour int64, rows sheet) {
		if h := live[id]; h != nil {
			rows.latest(h.rows)
			delete(live, id)
		}
		sums.add(hour, rows)
	})
	for id, h := range live {
		sums.add(hours[id], h.rows)
	}
	return err
}

func (s *Stats) answer(ctx context.Context, sums *report, scans []*scanned) (chat.StatsReply, error) {
	agents, err := s.current.Agents(ctx)
	if err != nil {
		return chat.StatsReply{}, err
	}
	serving := map[whom]int64{}
	queues := map[string]bool{chat.DefaultQueueID: true}
	for _, scan := range scans {
		for w, n := range scan.serving {
			serving[w] += n
			queues[w.queue] = true
		}
		for _, h := range scan.hours { // users' own names, too, but not any number of them
			for _, q := range h.queues[:min(len(h.queues), max(0, maxRows-len(queues)))] {
				queues[q] = true
			}
		}
	}
	for i := range agents {
		for _, q := range agents[i].Queues {
			queues[q] = true
		}
	}
	for _, q := range s.current.Queues() {
		queues[q] = true
	}
	sums.fold()
	for q := range sums.queues {
		queues[q] = true
	}
	delete(queues, "")
	waiting, err := s.current.Waiting(ctx, sums.wanted(queues))
	if err != nil {
		return chat.StatsReply{}, err
	}
	return sums.reply(waiting, serving, agents), nil
}
