package broker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // buckets are of any time zone, whatever the machine knows

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	// MaxStatsBuckets is how many buckets one answer may have.
	MaxStatsBuckets = 1000
	// MaxStatsSpan is the longest time statistics are given of at once.
	MaxStatsSpan = 400 * 24 * time.Hour

	maxStatsRows = 1000 // queues in one answer; users name them as they like
)

// StatsRequest asks for statistics. Hours are the finest there is: one counts if
// it begins before Until and ends after Since.
type StatsRequest struct {
	Since  int64  // ms, inclusive; 24 h before Until when 0
	Until  int64  // ms, exclusive; now when 0
	Bucket string // hour, day, week (from Monday) or month; hour when empty
	Zone   string // IANA name of the time zone of days, weeks and months; UTC when empty
	Queue  string // only of this queue
	Agent  string // only of this agent
}

// StatsReply is how it stands now, and what was in the time asked for.
type StatsReply struct {
	Since   chat.Time     `json:"since"` // the first hour's begin
	Until   chat.Time     `json:"until"`
	Bucket  string        `json:"bucket"`
	Zone    string        `json:"tz"`
	Waiting int64         `json:"waiting"` // now, whatever the agent
	Serving int64         `json:"serving"` // now: sessions with an owner
	Totals  StatsCounts   `json:"totals"`
	Buckets []StatsBucket `json:"buckets"`
	Queues  []StatsQueue  `json:"queues"`
	Agents  []StatsAgent  `json:"agents"`
}

// StatsCounts are the figures; docs/statistics.md defines each.
type StatsCounts struct {
	Opened        int64           `json:"opened"`
	Grabbed       int64           `json:"grabbed"`
	Accepted      int64           `json:"accepted"`
	Transferred   int64           `json:"transferred"`
	Requeued      int64           `json:"requeued"`
	Ended         int64           `json:"ended"`
	Abandoned     int64           `json:"abandoned"`
	Unanswered    int64           `json:"unanswered"`
	WaitingTime   StatsTimes      `json:"waitingTime"`
	FirstResponse StatsTimes      `json:"firstResponse"`
	Handling      StatsTimes      `json:"handling"`
	Bots          StatsBots       `json:"bots"`
	Ratings       StatsRatings    `json:"ratings"`
	Occupancy     *StatsOccupancy `json:"occupancy,omitempty"` // not of a queue
}

// StatsBots are bots' own times; those beside are people's.
type StatsBots struct {
	WaitingTime   StatsTimes `json:"waitingTime"`
	FirstResponse StatsTimes `json:"firstResponse"`
	Handling      StatsTimes `json:"handling"`
}

// StatsTimes are durations in seconds; nil where there was none.
type StatsTimes struct {
	Count  int64    `json:"count"`
	Mean   *float64 `json:"mean"`
	Median *float64 `json:"median"`
	P90    *float64 `json:"p90"`
	P95    *float64 `json:"p95"`
	P99    *float64 `json:"p99"`
}

// StatsRatings are what users thought; Scores counts those of 1 to 5.
type StatsRatings struct {
	Count  int64    `json:"count"`
	Mean   *float64 `json:"mean"`
	Scores [5]int64 `json:"scores"`
}

// StatsOccupancy is how agents spent their time, in seconds. Rate is Busy by Online.
type StatsOccupancy struct {
	Online float64  `json:"online"`
	Busy   float64  `json:"busy"`
	Rate   *float64 `json:"rate"`
}

// StatsBucket is one stretch of the time asked for.
type StatsBucket struct {
	Start chat.Time `json:"start"`
	StatsCounts
}

// StatsQueue is one queue; without a name all those that are too many to name.
type StatsQueue struct {
	Queue   *string `json:"queue"`
	Waiting int64   `json:"waiting"`
	Serving int64   `json:"serving"`
	StatsCounts
}

// StatsAgent is one agent.
type StatsAgent struct {
	Agent   string      `json:"agent"`
	Name    string      `json:"name"`
	Status  chat.Status `json:"status"`
	Serving int64       `json:"serving"`
	StatsCounts
}

// Stats gives statistics to host applications and supervisors. CodeForbidden:
// anybody else; CodeBadRequest: what was asked for makes no sense, or is too much.
// Calls at the same time are answered one after the other.
func (b *Broker) Stats(ctx context.Context, a chat.Actor, r StatsRequest) (StatsReply, error) {
	if err := chat.Allow(a, chat.ActStats); err != nil {
		return StatsReply{}, err
	}
	span, err := r.span(time.Now())
	if err != nil {
		return StatsReply{}, err
	}
	select {
	case b.counting <- struct{}{}:
		defer func() { <-b.counting }()
	case <-ctx.Done():
		return StatsReply{}, store.RedisError("statistics", ctx.Err())
	}
	now, err := b.Redis.Time(ctx).Result()
	if err != nil {
		return StatsReply{}, store.RedisError("time", err)
	}
	scans, err := b.scanAll(ctx)
	if err != nil {
		return StatsReply{}, err
	}
	// Redis before the archive: what leaves Redis meanwhile is in the archive already.
	sums := newStatsSums(r, span)
	if err := b.sumHours(ctx, sums, scans, now.UnixMilli()); err != nil {
		return StatsReply{}, err
	}
	return b.statsReply(ctx, sums, scans)
}

func (b *Broker) scanAll(ctx context.Context) ([]*statsScan, error) {
	scans := make([]*statsScan, len(b.Parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, p := range b.Parts {
		g.Go(func() (err error) {
			scans[i], err = b.scanStats(ctx, p)
			return err
		})
	}
	return scans, g.Wait()
}

// sumHours adds up what Redis and the archive have. An hour may be in both.
func (b *Broker) sumHours(ctx context.Context, sums *statsSums, scans []*statsScan, now int64) error {
	live := map[string]*statsHour{} // by the ids of their records
	hours := map[string]int64{}
	for i, s := range scans {
		for n, h := range s.hours {
			id := statsID(n, i, h.name)
			live[id], hours[id] = h, n
		}
		for n, rows := range s.open(now) {
			sums.add(n, rows)
		}
	}
	err := b.archivedStats(ctx, sums.from, sums.to, func(id string, hour int64, rows statsRows) {
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

func (b *Broker) statsReply(ctx context.Context, sums *statsSums, scans []*statsScan) (StatsReply, error) {
	agents, err := b.people.Agents(ctx)
	if err != nil {
		return StatsReply{}, err
	}
	serving := map[statsWho]int64{}
	queues := map[string]bool{chat.DefaultQueueID: true}
	for _, s := range scans {
		for w, n := range s.serving {
			serving[w] += n
			queues[w.queue] = true
		}
		for _, h := range s.hours { // users' own names, too, but not any number of them
			for _, q := range h.queues[:min(len(h.queues), max(0, maxStatsRows-len(queues)))] {
				queues[q] = true
			}
		}
	}
	for i := range agents {
		for _, q := range agents[i].Queues {
			queues[q] = true
		}
	}
	for q := range b.settings.all() {
		queues[q] = true
	}
	sums.fold()
	for q := range sums.queues {
		queues[q] = true
	}
	delete(queues, "")
	waiting, err := b.waitingNow(ctx, sums.wanted(queues))
	if err != nil {
		return StatsReply{}, err
	}
	return sums.reply(waiting, serving, agents), nil
}

// waitingNow is how many wait in each of some queues.
func (b *Broker) waitingNow(ctx context.Context, queues []string) (map[string]int64, error) {
	out, mu := map[string]int64{}, sync.Mutex{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range b.Parts {
		g.Go(func() error {
			for some := range slices.Chunk(queues, 100) {
				sizes := make([]*redis.IntCmd, len(some))
				_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
					for i, q := range some {
						sizes[i] = pipe.ZCard(ctx, p.Waiting(q))
					}
					return nil
				})
				if err != nil {
					return store.RedisError("waiting", err)
				}
				mu.Lock()
				for i, q := range some {
					out[q] += sizes[i].Val()
				}
				mu.Unlock()
			}
			return nil
		})
	}
	return out, g.Wait()
}

// all are the queues somebody has set.
func (s *settings) all() map[string]chat.QueueSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.queues)
}

// known tells whether somebody has set the queue, or it is the default one.
func (s *settings) known(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, set := s.queues[id]
	return set || id == chat.DefaultQueueID
}

// heaviest orders names by how much there is of each, then by name.
func heaviest(m map[string]*tally) []string {
	return slices.SortedFunc(maps.Keys(m), func(x, y string) int {
		return cmp.Or(cmp.Compare(m[y].weight(), m[x].weight()), cmp.Compare(x, y))
	})
}
