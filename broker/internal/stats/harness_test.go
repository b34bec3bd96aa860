package stats

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var name, code = testenv.Name, storetest.Code

func (s *Stats) reply(t testing.TB, r chat.StatsRequest) chat.StatsReply {
	t.Helper()
	reply, err := s.Report(t.Context(), r)
	require.NoError(t, err)
	return reply
}

// queueOf is a row of an answer.
func queueOf(r chat.StatsReply, id string) (out chat.StatsQueue) {
	for _, q := range r.Queues {
		if q.Queue != nil && *q.Queue == id || q.Queue == nil && id == "" {
			return q
		}
	}
	return out
}

// others are a Current whose answers are the same each time.
type others struct {
	agents  []chat.AgentInfo
	queues  []string
	waiting map[string]int64
}

func (o *others) Agents(context.Context) ([]chat.AgentInfo, error) { return o.agents, nil }
func (o *others) Queues() []string                                 { return o.queues }
func (o *others) Waiting(_ context.Context, queues []string) (map[string]int64, error) {
	out := map[string]int64{}
	for _, q := range queues {
		out[q] = o.waiting[q]
	}
	return out, nil
}

// ledger is a store whose writes of records a test breaks.
type ledger struct {
	archive.Archive
	mu     sync.Mutex
	before func() error
	after  func() error
}

// PutRecords implements archive.Archive.
func (l *ledger) PutRecords(ctx context.Context, r []archive.Record) error {
	l.mu.Lock()
	before, after := l.before, l.after
	l.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	err := l.Archive.PutRecords(ctx, r)
	if err == nil && after != nil {
		err = after()
	}
	return err
}

func (l *ledger) set(before, after func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.after = before, after
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return &ledger{Archive: store}
}

// busyHour is a Redis and an archive of its own, and an hour long ago in which something was counted.
func busyHour(t testing.TB) (s *Stats, l *ledger, q string, want chat.StatsReply) {
	t.Helper()
	l, q = newLedger(t), name("q")
	ann := name("ann")
	s = New(storetest.Open(t, testenv.Redis(t).URL(), 2), l, &others{agents: []chat.AgentInfo{
		{Person: chat.Person{ID: ann, Name: "Ann"}, Status: chat.Online, AgentSettings: chat.AgentSettings{Queues: []string{q}}}}, queues: []string{q}, waiting: map[string]int64{q: 3}}, everywhere)
	ctx, rdb := t.Context(), s.store.Redis
	works := storetest.Script(t, "stats", "agent", "occupy(agent, 3) return 1", "occupancy")
	require.NoError(t, works.Run(ctx, rdb, []string{s.store.Parts[1].Stats()}, ann).Err())
	taken := storetest.Script(t, "stats", "queue, agent, ms = number", `
tally(now(), queue, true)
bump('grabbed', agent)
took('w', agent, ms)
serves(queue, agent, 1)
took('r', agent, 2 * ms)
return 1`, "time", "stats")
	ended := storetest.Script(t, "stats", "queue, agent, ms = number", `
tally(now(), queue, true)
took('o', agent, 3 * ms)
serves(queue, agent, -1)
bump('ended', agent)
took('h', '', 3 * ms)
return 1`, "time", "stats")
	for i := range 6 {
		key, args := []string{s.store.Parts[i%2].Stats()}, []any{q, ann, 1000 * (i + 1)}
		require.NoError(t, opened(t).Run(ctx, rdb, key, q).Err())
		require.NoError(t, taken.Run(ctx, rdb, key, args...).Err())
		if i < 4 {
			require.NoError(t, ended.Run(ctx, rdb, key, args...).Err())
		}
	}
	for _, p := range s.store.Parts {
		shift(t, s, p, 3)
	}
	want = s.reply(t, chat.StatsRequest{Queue: q})
	require.EqualValues(t, 6, want.Totals.Opened)
	require.EqualValues(t, 6, want.Totals.FirstResponse.Count)
	require.EqualValues(t, 4, want.Totals.Handling.Count)
	require.EqualValues(t, 2, want.Serving)
	require.EqualValues(t, 3, want.Waiting)
	return s, l, q, want
}

// opened counts an opening in a queue.
func opened(t testing.TB) *redis.Script {
	return storetest.Script(t, "stats", "queue", "tally(now(), queue) bump('opened') return 1", "time", "stats")
}

// shift makes the statistics of a partition's Redis so many hours older.
func shift(t testing.TB, s *Stats, p store.Partition, hours int64) {
	t.Helper()
	all, err := s.store.Redis.HGetAll(t.Context(), p.Stats()).Result()
	require.NoError(t, err)
	for field, value := range all {
		hour, rest, _ := strings.Cut(field, "|")
		n, err := strconv.ParseInt(hour, 10, 64)
		if err != nil {
			continue
		}
		_, err = s.store.Redis.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			pipe.HDel(context.Background(), p.Stats(), field)
			pipe.HSet(context.Background(), p.Stats(), fmt.Sprintf("%d|%s", n-hours, rest), value)
			return nil
		})
		require.NoError(t, err)
	}
}

// same compares two answers but for their time.
func same(t testing.TB, want, got chat.StatsReply) {
	t.Helper()
	require.Equal(t, want.Totals, got.Totals)
	require.Equal(t, want.Queues, got.Queues)
	require.Equal(t, want.Agents, got.Agents)
	require.Equal(t, want.Serving, got.Serving)
}

// held are the hours of which Redis holds something.
func held(t testing.TB, s *Stats) map[int64]bool {
	t.Helper()
	out := map[int64]bool{}
	for _, p := range s.store.Parts {
		scan, err := s.scan(t.Context(), p)
		require.NoError(t, err)
		for n := range scan.hours {
			out[n] = true
		}
	}
	return out
}

// everywhere is a node that looks after all partitions.
func everywhere(store.Partition) bool { return true }
