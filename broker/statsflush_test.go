package broker

import (
	"context"
	"fmt"
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

// busyHour is a node with a Redis and an archive of its own, and an hour long ago in which something was counted.
func busyHour(t testing.TB) (b *Broker, l *ledger, q string, want StatsReply) {
	t.Helper()
	l = newLedger(t)
	b = startNode(t, testenv.Redis(t).URL(), func(o *Options) { o.Archive, o.Partitions = l, 2 })
	q = name("q")
	ann := agent(t, b, name("ann"), q)
	for i := range 6 {
		s, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		ann.grab(s.ID)
		ann.send(s.ID, "hi")
		if i < 4 {
			_, err = b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s.ID, Force: true})
			require.NoError(t, err)
		}
	}
	for _, p := range b.Parts {
		shift(t, b, p, 3)
	}
	want = b.stats(t, StatsRequest{Queue: q})
	require.EqualValues(t, 6, want.Totals.Opened)
	require.EqualValues(t, 6, want.Totals.FirstResponse.Count)
	require.EqualValues(t, 2, want.Serving)
	return b, l, q, want
}

// same compares two answers but for their time.
func same(t testing.TB, want, got StatsReply) {
	t.Helper()
	require.Equal(t, want.Totals, got.Totals)
	require.Equal(t, want.Queues, got.Queues)
	require.Equal(t, want.Agents, got.Agents)
	require.Equal(t, want.Serving, got.Serving)
}

// held are the hours of which Redis holds something.
func held(t testing.TB, b *Broker) map[int64]bool {
	t.Helper()
	out := map[int64]bool{}
	for _, p := range b.Parts {
		scan, err := b.scanStats(t.Context(), p)
		require.NoError(t, err)
		for n := range scan.hours {
			out[n] = true
		}
	}
	return out
}

// An hour that is over leaves Redis for the archive, once, and answers stay the
// same whatever happens on the way.
func TestStatsOutliveRedis(t *testing.T) {
	ctx := t.Context()
	old := time.Now().UnixMilli()/hourMS - 2
	for what, breakIt := range map[string]func(b *Broker, l *ledger){
		"nothing": func(*Broker, *ledger) {},
		"the archive is away": func(b *Broker, l *ledger) {
			l.set(func() error { return errAway }, nil)
			require.Error(t, b.flushStats(ctx, b.Parts...))
			require.True(t, held(t, b)[old-1] || held(t, b)[old], "nothing leaves unarchived")
		},
		"it is unknown whether the archive took it": func(b *Broker, l *ledger) {
			l.set(nil, func() error { return errAway })
			require.Error(t, b.flushStats(ctx, b.Parts...))
		},
		"a crash between archiving and removing": func(b *Broker, l *ledger) {
			dying, die := context.WithCancel(ctx)
			l.set(nil, func() error { die(); return nil })
			require.Error(t, b.flushStats(dying, b.Parts...))
		},
		"a crash while removing": func(b *Broker, _ *ledger) {
			for _, p := range b.Parts {
				f := &flush{part: p}
				require.NoError(t, b.gatherStats(ctx, f))
				require.NoError(t, b.opt.Archive.PutRecords(ctx, f.records))
				for n, h := range f.scan.hours {
					if n <= f.sealed {
						gone := h.fields(n)
						require.NoError(t, b.Redis.HDel(ctx, p.Stats(), gone[:len(gone)/2]...).Err())
					}
				}
			}
		},
		"somebody removes it after another's scan": func(b *Broker, l *ledger) {
			slow := map[int]*flush{}
			for _, p := range b.Parts {
				slow[p.Index] = &flush{part: p}
				require.NoError(t, b.gatherStats(ctx, slow[p.Index]))
			}
			require.NoError(t, b.flushStats(ctx, b.Parts...))
			for _, f := range slow {
				require.NoError(t, b.opt.Archive.PutRecords(ctx, f.records))
				require.NoError(t, b.trimStats(ctx, f))
			}
		},
		"somebody removes it during another's scan": func(b *Broker, l *ledger) {
			partial := map[int]*flush{}
			for _, p := range b.Parts {
				f := &flush{part: p}
				require.NoError(t, b.gatherStats(ctx, f))
				f.records = nil
				for n, h := range f.scan.hours {
					for w := range h.rows {
						delete(h.rows, w)
						break
					}
					f.records = append(f.records, h.record(n, p.Index))
				}
				partial[p.Index] = f
			}
			require.NoError(t, b.flushStats(ctx, b.Parts...))
			for _, f := range partial {
				require.NoError(t, b.opt.Archive.PutRecords(ctx, f.records))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			b, l, q, want := busyHour(t)
			breakIt(b, l)
			same(t, want, b.stats(t, StatsRequest{Queue: q}))
			l.set(nil, nil)
			for range 3 {
				require.NoError(t, b.flushStats(ctx, b.Parts...))
				same(t, want, b.stats(t, StatsRequest{Queue: q}))
			}
			for n := range held(t, b) {
				require.Greater(t, n, old, "what the archive has leaves Redis")
			}
			for _, p := range b.Parts {
				scan, err := b.scanStats(ctx, p)
				require.NoError(t, err)
				for n, h := range scan.hours {
					require.False(t, n <= scan.sealed && len(h.queues) > 0)
				}
			}
		})
	}
}

// A clock that goes back, or what comes late, never opens a sealed hour again: the archive has the last of it.
func TestStatsSealedHoursStaySealed(t *testing.T) {
	b, _, q, want := busyHour(t)
	ctx, now := t.Context(), time.Now().UnixMilli()/hourMS
	for _, p := range b.Parts {
		require.NoError(t, b.Redis.HSet(ctx, p.Stats(), "sealed", now).Err()) // by a clock that was ahead
	}
	require.NoError(t, b.flushStats(ctx, b.Parts...))
	_, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
	require.NoError(t, err)
	require.NoError(t, b.flushStats(ctx, b.Parts...))
	require.True(t, held(t, b)[now+1])
	r := b.stats(t, StatsRequest{Queue: q, Until: (now + 2) * hourMS})
	require.EqualValues(t, want.Totals.Opened+1, r.Totals.Opened)
	require.EqualValues(t, 1, r.Buckets[len(r.Buckets)-1].Opened)
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
				if err := b.flushStats(ctx, b.Parts...); err != nil {
					t.Error(err)
				}
				r, err := b.Stats(ctx, host, StatsRequest{Queue: q})
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
	r := nodes[1].stats(t, StatsRequest{Queue: q})
	require.EqualValues(t, 2*many, r.Totals.Opened)
	require.EqualValues(t, 2*many, r.Totals.Ended)
	require.EqualValues(t, 2*many, r.queue(q).Unanswered)
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
	require.NoError(t, b.introduce(ctx, chat.Identity{Role: chat.RoleAgent, ID: ann, Queues: []string{q}, Capacity: 5}))
	_, err = b.Grab(ctx, at, session.ID)
	require.NoError(t, err)
	want := b.stats(t, StatsRequest{Queue: q})
	stop() // archives all it has

	c, _ := start(true)
	same(t, want, c.stats(t, StatsRequest{Queue: q}))
	_, err = c.End(ctx, at, chat.EndRequest{Session: session.ID, Force: true})
	require.NoError(t, err)
	_, err = c.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
	require.NoError(t, err)
	for range 2 {
		r := c.stats(t, StatsRequest{Queue: q})
		require.Equal(t, StatsCounts{Opened: 2, Grabbed: 1, Ended: 1, WaitingTime: times(1), Handling: times(1)}, only(r.Totals))
		require.Zero(t, r.Serving)
		require.EqualValues(t, 1, r.Waiting)
		require.NoError(t, c.flushStats(ctx, c.Parts...))
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
			p := b.Home(ann.ID)
			occupancy := func() (per []float64, busy []float64) {
				r := b.stats(t, StatsRequest{Agent: ann.ID, Since: time.Now().UnixMilli() - hourMS})
				sum := 0.0
				for _, k := range r.Buckets {
					per, busy = append(per, k.Occupancy.Online), append(busy, k.Occupancy.Busy)
					sum += k.Occupancy.Online
				}
				require.InDelta(t, sum, r.agent(ann.ID).Occupancy.Online, 0.001)
				return per, busy
			}
			hour := time.Now().UnixMilli() / hourMS * hourMS
			began := hour - 600_000 // ten minutes before the hour
			back := func(flags string) {
				require.NoError(t, b.Redis.HSet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID, flags+"|"+strconv.FormatInt(began, 10)).Err())
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
			scan, err := b.scanStats(ctx, p)
			require.NoError(t, err)
			require.NoError(t, b.rollStats(ctx, p, scan))
			online, _ = occupancy()
			check("rolled", []float64{600, past()}, online)

			s := user(t, b, name("uma")).open(q)
			ann.grab(s.ID)
			require.Eventually(t, func() bool { // what a grab owes is settled after its answer
				v, _ := b.Redis.HGet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Result()
				return v != "" && v[0] == '3'
			}, 5*time.Second, 5*time.Millisecond)
			back("3")
			_, err = b.SetStatus(ctx, ann.Actor, chat.Away)
			require.NoError(t, err)
			online, busy = occupancy()
			check("at work", []float64{1200, 2 * past()}, online)
			check("at work", []float64{600, past()}, busy)
			v, err := b.Redis.HGet(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Result()
			require.NoError(t, err)
			require.Equal(t, "2", v[:1], "away, and still at work")
			_, err = b.End(ctx, ann.Actor, chat.EndRequest{Session: s.ID, Force: true})
			require.NoError(t, err)
			require.False(t, b.Redis.HExists(ctx, p.Stats(), "now|agent|\x1f"+ann.ID).Val())
			require.InDelta(t, 0.5, *b.stats(t, StatsRequest{Agent: ann.ID}).agent(ann.ID).Occupancy.Rate, 0.01)
			require.Nil(t, b.stats(t, StatsRequest{Queue: q}).agent(ann.ID).Occupancy, "a queue has none")

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

// The store gives a year of hours within its order, whatever else it has.
func TestStatsRangesOfTheArchive(t *testing.T) {
	l := newLedger(t)
	b := startNode(t, testenv.Redis(t).URL(), func(o *Options) { o.Archive, o.Partitions = l, 1 })
	now := time.Now().UnixMilli() / hourMS
	var all []archive.Record
	for i := range int64(500) {
		h := &statsHour{name: fmt.Sprint(i), rows: statsRows{{"q", ""}: {"opened": 1}}}
		all = append(all, h.record(now-500+i, 0))
	}
	require.NoError(t, l.Archive.PutRecords(t.Context(), all))
	for _, n := range []int64{1, 2, 199, 200, 201, 500} {
		r := b.stats(t, StatsRequest{Since: (now - n) * hourMS, Until: now * hourMS})
		require.EqualValues(t, n, r.Totals.Opened)
		require.Len(t, r.Buckets, int(n))
	}
	r := b.stats(t, StatsRequest{Since: (now - 300) * hourMS, Until: (now - 100) * hourMS, Bucket: "day"})
	require.EqualValues(t, 200, r.Totals.Opened)
}
