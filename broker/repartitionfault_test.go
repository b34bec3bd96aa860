package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

var errKilled = errors.New("killed")

// mortal is a hook of a client whose process dies at one of its calls: before it, or after it was carried out.
type mortal struct {
	left  atomic.Int64 // calls until then
	after bool
	at    func(cmds ...redis.Cmder) // called before each call, if set
}

// immortal is one that sees its calls.
func immortal(at func(cmds ...redis.Cmder)) *mortal {
	m := &mortal{at: at}
	m.left.Store(1 << 40)
	return m
}

// moves tells whether a call of a repartition does this with keys that are moved, or asks for this of INFO.
func moves(what string, cmds []redis.Cmder) bool {
	return slices.ContainsFunc(cmds, func(c redis.Cmder) bool {
		if len(c.Args()) < 2 || strings.HasPrefix(fmt.Sprint(c.Args()[1]), store.MovingKey) {
			return false
		}
		return c.Name() == what || c.Name()+" "+fmt.Sprint(c.Args()[1]) == what
	})
}

func (m *mortal) call(do func() error, cmds ...redis.Cmder) error {
	if m.at != nil {
		m.at(cmds...)
	}
	switch n := m.left.Add(-1); {
	case n == 0 && m.after:
		_ = do()
		return errKilled
	case n <= 0:
		return errKilled
	}
	return do()
}

func (m *mortal) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (m *mortal) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := m.call(func() error { return next(ctx, cmd) }, cmd)
		if errors.Is(err, errKilled) {
			cmd.SetErr(err)
		}
		return err
	}
}

func (m *mortal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := m.call(func() error { return next(ctx, cmds) }, cmds...)
		if errors.Is(err, errKilled) {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

// attempt is a repartition whose process may die.
func (d *movable) attempt(n int, m *mortal) error {
	o := d.options()
	o.Partitions = n
	o.Redis = hooked(d.t, d.url, m)
	_, err := Repartition(d.t.Context(), o, RepartitionOptions{Wait: 20 * time.Second})
	return err
}

// Wherever the tool dies, it goes on when it is run again, and nothing is lost or there twice.
func TestARepartitionThatIsKilled(t *testing.T) {
	d := deploymentOf(t, testenv.Redis(t).URL(), 16)
	b, leave := d.node()
	d.targets(b)
	f := d.fill(b)
	d.expire(b, f.gone[:4])
	report, err := b.Stats(t.Context(), host, chat.StatsRequest{})
	require.NoError(t, err)
	leave()

	deaths, run := 0, 0
	for calls, n := int64(1), 0; ; calls += 1 + calls/4 { // it dies at the first, the second, … call
		m := &mortal{after: n%2 == 0}
		m.left.Store(calls)
		err := d.attempt(24, m)
		require.NoError(t, d.rdb.Del(t.Context(), store.MovingKey).Err()) // as time does
		run++
		if err == nil {
			break
		}
		n++
		deaths++
	}
	t.Logf("%d deaths in %d runs", deaths, run)
	require.Greater(t, deaths, 15)
	d.nothingLeft(24)
	b, leave = d.node()
	d.targets(b)
	after, err := b.Stats(t.Context(), host, chat.StatsRequest{})
	require.NoError(t, err)
	require.Equal(t, chat.Encode(counted(report)), chat.Encode(counted(after)))
	d.goOn(b, f, "afterwards")
	d.check(b, f, 1)
	leave()
}

// Where the record falls back after all was done, it is not done again: what was copied is gone, and nodes
// may have begun on the new partitions.
func TestARepartitionWhoseRecordFallsBack(t *testing.T) {
	for _, began := range []bool{true, false} {
		t.Run(fmt.Sprint(began), func(t *testing.T) {
			ctx := t.Context()
			d := deploymentOf(t, testenv.Redis(t).URL(), 16)
			b, leave := d.node()
			d.targets(b)
			f := d.fill(b)
			leave()
			before := ""
			var mu sync.Mutex
			require.NoError(t, d.attempt(24, immortal(func(...redis.Cmder) { // the last of it before it is done
				mu.Lock()
				defer mu.Unlock()
				if text := d.rdb.Get(ctx, store.PartitionsKey).Val(); before == "" || must(store.ParseRecord(text)).Next != nil {
					before = text
				}
			})))
			if began {
				b, leave = d.node()
				d.goOn(b, f, "afterwards")
				leave()
			}
			require.NoError(t, d.rdb.Set(ctx, store.PartitionsKey, before, 0).Err())
			_, err := Repartition(ctx, d.options(), RepartitionOptions{Cancel: true})
			require.ErrorIs(t, err, ErrMoved)
			d.repartition(24)
			d.nothingLeft(24)
			b, leave = d.node()
			d.targets(b)
			if !began {
				d.goOn(b, f, "afterwards")
			}
			d.check(b, f, 1)
			leave()
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// counted is what does not change by itself.
func counted(r chat.StatsReply) any { return r.Queues }

// A repartition that cannot be done is called off by itself, or by hand; nodes go on as before.
func TestARepartitionThatIsCalledOff(t *testing.T) {
	ctx := t.Context()
	d := deploymentOf(t, testenv.Redis(t).URL(), 16)
	b, leave := d.node()
	o := d.options()
	o.Partitions = 3
	_, err := Repartition(ctx, o, RepartitionOptions{Wait: time.Second})
	require.ErrorContains(t, err, "1 nodes did not leave")
	require.ErrorContains(t, err, b.store.Node)
	require.Equal(t, "16", d.rdb.Get(ctx, store.PartitionsKey).Val(), "an earlier version reads it again")
	s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: "uma"}})
	require.NoError(t, err)
	require.Equal(t, byte('-'), s.ID[2])
	select {
	case <-b.Renumbered():
	case <-time.After(5 * time.Second):
		t.Fatal("the node did not notice")
	}
	leave()

	m := &mortal{}
	m.left.Store(18) // it is announced, and not begun
	require.Error(t, d.attempt(3, m))
	require.NoError(t, d.rdb.Del(ctx, store.MovingKey).Err())
	r, err := store.ReadRecord(ctx, d.rdb)
	require.NoError(t, err)
	require.NotNil(t, r.Next)
	require.False(t, r.Frozen)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = New(short, d.options())
	require.ErrorContains(t, err, "a repartition is under way")
	_, err = Repartition(ctx, d.options(), RepartitionOptions{Cancel: true})
	require.NoError(t, err)
	b, leave = d.node()
	_, err = b.Session(ctx, host, s.ID)
	require.NoError(t, err)
	leave()

	require.NoError(t, d.rdb.Set(ctx, store.MovingKey, "another", time.Minute).Err())
	_, err = Repartition(ctx, o, RepartitionOptions{})
	require.ErrorIs(t, err, ErrMoving)
	require.NoError(t, d.rdb.Del(ctx, store.MovingKey).Err())
	for _, n := range []int{-1, 0, 257} {
		o.Partitions = n
		_, err = Repartition(ctx, o, RepartitionOptions{})
		require.ErrorIs(t, err, ErrPartitions)
	}
	d.repartition(16)
	r, err = store.ReadRecord(ctx, d.rdb)
	require.NoError(t, err)
	require.False(t, r.Named, "the same number, with buckets")
	d.repartition(16)
}

// A node that was silent for so long that it was taken for dead, and comes back at any moment of a
// repartition, gets nothing acknowledged that is not there afterwards.
func TestANodeThatComesBackDuringARepartition(t *testing.T) {
	for i, moment := range []string{"zrange", "renamenx", "evalsha", "dump", "zscan", "hset"} { // what is about to be done for the first time
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			d := deploymentOf(t, testenv.Redis(t).URL(), []int{16, 0}[i%2])
			b, leave := d.node()
			d.targets(b)
			f := d.fill(b)
			// Nothing that Redis knows of it says that it is alive.
			b.store.Stop()
			b.store.Tasks.Wait()
			_, err := b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Del(ctx, b.store.Parts[0].Alive())
				for _, p := range b.store.Parts {
					pipe.Del(ctx, p.Nodes())
				}
				return nil
			})
			require.NoError(t, err)
			var awake, done atomic.Bool
			var wg sync.WaitGroup
			back := &returned{d: d, b: b, f: f}
			m := immortal(func(cmds ...redis.Cmder) {
				if moves(moment, cmds) && !awake.Swap(true) {
					wg.Add(1)
					go func() {
						defer wg.Done()
						for !done.Load() {
							back.act(ctx)
						}
					}()
					time.Sleep(20 * time.Millisecond) // it is in the middle of it
				}
			})
			require.NoError(t, d.attempt(11, m))
			require.True(t, awake.Load())
			done.Store(true)
			wg.Wait()
			back.act(ctx)
			_ = leave

			n, left := d.node()
			require.Len(t, n.store.Parts, 11)
			for _, id := range back.opened {
				_, err := n.Session(ctx, host, id)
				require.NoError(t, err, "what was acknowledged is there")
			}
			for _, s := range back.sent {
				h, err := n.History(ctx, host, chat.HistoryRequest{Session: s.session, After: s.seq - 1, Before: -1, Limit: 1})
				require.NoError(t, err)
				require.Len(t, h.Messages, 1)
				require.Equal(t, s.mid, h.Messages[0].Mid)
			}
			t.Logf("%d opened, %d sent, %d refused", len(back.opened), len(back.sent), back.refused)
			require.Positive(t, back.refused)
			own := n.store.Parts[0].Tag
			require.NotContains(t, b.store.Parts[0].Tag, own)
			clean(t, n)
			left()
		})
	}
}

// returned is a node that does what its clients ask for.
type returned struct {
	d       *movable
	b       *Broker
	f       filling
	n       int
	opened  []string
	sent    []message
	refused int
}

type message struct {
	session, mid string
	seq          int64
}

func (r *returned) act(ctx context.Context) {
	r.n++
	b, user := r.b, fmt.Sprint("back", r.n)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	no := func(err error) bool {
		if err != nil {
			r.refused++
		}
		return err != nil
	}
	if s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: user}, Queue: "set"}); !no(err) {
		r.opened = append(r.opened, s.ID)
	}
	for _, id := range append(r.f.serving[:2:2], r.f.waiting[:2]...) {
		m, err := b.Send(ctx, host, chat.SendRequest{Session: id, As: chat.RoleUser, Key: user, Body: json.RawMessage(`"back"`)})
		if !no(err) {
			r.sent = append(r.sent, message{id, m.Mid, m.Seq})
		}
	}
	a := chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: "ann0", Queues: []string{"set", "made up"}, Capacity: 50}}
	_, err := b.Grab(ctx, a, r.f.waiting[r.n%len(r.f.waiting)])
	no(err)
	_, err = b.End(ctx, host, chat.EndRequest{Session: r.f.serving[r.n%len(r.f.serving)]})
	no(err)
	_, err = b.Read(ctx, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: "uma4"}}, r.f.gone[0], 3)
	no(err)
	_, _, err = b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: user}, time.Hour)
	no(err)
	_, err = b.PutQueue(ctx, host, chat.DefaultQueue(user))
	no(err)
}
