package broker

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

const hourMS = int64(time.Hour / time.Millisecond)

// newLedger is an archive of the test's own.
func newLedger(t testing.TB) archive.Archive {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// same compares two answers but for their time.
func same(t testing.TB, want, got chat.StatsReply) {
	t.Helper()
	require.Equal(t, want.Totals, got.Totals)
	require.Equal(t, want.Queues, got.Queues)
	require.Equal(t, want.Agents, got.Agents)
	require.Equal(t, want.Serving, got.Serving)
}

// Nodes count, flush and ask at the same time, and nothing is lost or counted twice.
func TestStatsFlushedWhileCounting(t *testing.T) {
	url, l := testenv.Redis(t).URL(), newLedger(t)
	change := func(o *Options) { o.Archive, o.Partitions = l, 2 }
	nodes := []*Broker{startNode(t, url, change), startNode(t, url, change)}
	q, ctx := name("q"), t.Context()
	const many = 150
	stop := make(chan struct{})
	var counting, flushing sync.WaitGroup
	for _, b := range nodes {
		counting.Go(func() {
			for range many {
				s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
				if err == nil {
					_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		flushing.Go(func() {
			for last := int64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				if err := b.counts.Flush(ctx, b.store.Parts...); err != nil {
					t.Error(err)
				}
				r, err := b.Stats(ctx, host, chat.StatsRequest{Queue: q})
				if err != nil || r.Totals.Opened < last || r.Totals.Opened > 2*many {
					t.Errorf("%v: %d after %d", err, r.Totals.Opened, last)
				}
				last = r.Totals.Opened
			}
		})
	}
	counting.Wait()
	close(stop)
	flushing.Wait()
	r := nodes[1].stats(t, chat.StatsRequest{Queue: q})
	require.EqualValues(t, 2*many, r.Totals.Opened)
	require.EqualValues(t, 2*many, r.Totals.Ended)
	require.EqualValues(t, 2*many, queueOf(r, q).Unanswered)
}

// After the loss of Redis the archive still tells what was, and what comes is added to it, within the very hour.
func TestStatsAfterRestore(t *testing.T) {
	l, ctx := newLedger(t), t.Context()
	start := func(restore bool) (*Broker, func()) {
		rdb, err := Dial(testenv.Redis(t).URL())
		require.NoError(t, err)
		o := Options{Redis: rdb, SendRate: -1, Archive: l, ArchiveDelay: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Partitions: 2}
		if restore {
			_, err = Restore(ctx, o, nil)
			require.NoError(t, err)
		}
		b, err := New(ctx, o)
		require.NoError(t, err)
		var once sync.Once
		stop := func() {
			once.Do(func() {
				require.NoError(t, b.Close(context.Background()))
				_ = rdb.Close()
			})
		}
		t.Cleanup(stop)
		return b, stop
	}
	b, stop := start(false)
	q, ann := name("q"), name("ann")
	session, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
	require.NoError(t, err)
	at := chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: ann, Queues: []string{q}}}
	require.NoError(t, b.people.Introduce(ctx, chat.Identity{Role: chat.RoleAgent, ID: ann, Queues: []string{q}, Capacity: 5}))
	_, err = b.Grab(ctx, at, session.ID)
	require.NoError(t, err)
	want := b.stats(t, chat.StatsRequest{Queue: q})
	stop() // archives all it has

	c, _ := start(true)
	same(t, want, c.stats(t, chat.StatsRequest{Queue: q}))
	_, err = c.End(ctx, at, chat.EndRequest{Session: session.ID, Force: true})
	require.NoError(t, err)
	_, err = c.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
	require.NoError(t, err)
	for range 2 {
		r := c.stats(t, chat.StatsRequest{Queue: q})
		require.Equal(t, chat.StatsCounts{Opened: 2, Grabbed: 1, Ended: 1, WaitingTime: times(1), Handling: times(1)}, only(r.Totals))
		require.Zero(t, r.Serving)
		require.EqualValues(t, 1, r.Waiting)
		require.NoError(t, c.counts.Flush(ctx, c.store.Parts...))
	}
}

// Agents' time goes into the hours it covers, while it is open and when it is counted.
func TestStatsOccupancy(t *testing.T) {
	for e, start := range map[string]func(testing.TB) string{"embedded": testenv.Embedded,
		"redis": func(t testing.TB) string { return testenv.Redis(t).URL() }} {
		t.Run(e, func(t *testing.T) {
			b := startNode(t, start(t), func(o *Options) { o.Archive = nil }) // nothing is sealed
			ctx, q := t.Context(), name("q")
			ann := agent(t, b, name("ann"), q)
			p := b.store.Home(ann.ID)
			occupancy := func() (per []float64, busy []float64) {
				r := b.stats(t, chat.StatsRequest{Agent: ann.ID, Since: time.Now().UnixMilli() - hourMS})
				sum := 0.0
				for _, k := range r.Buckets {
					per, busy = append(per, k.Occupancy.Online), append(busy, k.Occupancy.Busy)
					sum += k.Occupancy.Online
				}
				require.InDelta(t, sum, agentOf(r, ann.ID).Occupancy.Online, 0.001)
				return per, busy
			}
			hour := time.Now().UnixMilli() / hourMS * hourMS
			began := hour - 600_000 // ten minutes before the hour
			back := func(flags string) {
				require.NoError(t, b.store.Redis.HSet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID, flags+"|"+strconv.FormatInt(began, 10)).Err())
			}
			back("1")
			past := func() float64 { return float64(time.Now().UnixMilli()-hour) / 1000 }
			check := func(what string, want, got []float64) {
				t.Helper()
				require.Len(t, got, 2, what)
				require.InDelta(t, want[0], got[0], 0.001, what)
				require.InDelta(t, want[1], got[1], 5, what)
			}
			online, busy := occupancy()
			check("while it is open", []float64{600, past()}, online)
			require.Equal(t, []float64{0, 0}, busy)
			require.NoError(t, b.counts.Flush(ctx, p))
			online, _ = occupancy()
			check("rolled", []float64{600, past()}, online)

			s := user(t, b, name("uma")).open(q)
			ann.grab(s.ID)
			require.Eventually(t, func() bool { // what a grab owes is settled after its answer
				v, _ := b.store.Redis.HGet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Result()
				return v != "" && v[0] == '3'
			}, 5*time.Second, 5*time.Millisecond)
			back("3")
			_, err := b.SetStatus(ctx, ann.Actor, chat.Away)
			require.NoError(t, err)
			online, busy = occupancy()
			check("at work", []float64{1200, 2 * past()}, online)
			check("at work", []float64{600, past()}, busy)
			v, err := b.store.Redis.HGet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Result()
			require.NoError(t, err)
			require.Equal(t, "2", v[:1], "away, and still at work")
			_, err = b.End(ctx, ann.Actor, chat.EndRequest{Session: s.ID, Force: true})
			require.NoError(t, err)
			require.False(t, b.store.Redis.HExists(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Val())
			require.InDelta(t, 0.5, *agentOf(b.stats(t, chat.StatsRequest{Agent: ann.ID}), ann.ID).Occupancy.Rate, 0.01)
			require.Nil(t, agentOf(b.stats(t, chat.StatsRequest{Queue: q}), ann.ID).Occupancy, "a queue has none")

			t.Log("a gap in which no node was there")
			began = time.Now().UnixMilli() - 3*hourMS
			back("1")
			again, _ := occupancy()
			_, err = b.SetStatus(ctx, ann.Actor, chat.Offline)
			require.NoError(t, err)
			require.InDeltaSlice(t, online, again, 5)
			again, _ = occupancy()
			require.InDeltaSlice(t, online, again, 5)
		})
	}
}
