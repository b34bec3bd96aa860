package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/renumber"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// once calls do before the first call of a repartition that does this.
func once(name string, do func()) func(cmds ...redis.Cmder) {
	var o sync.Once
	return func(cmds ...redis.Cmder) {
		if moves(name, cmds) {
			o.Do(do)
		}
	}
}

// Where Redis is started anew in the middle of a repartition, and does not have all that it had acknowledged, what was
// done counts for nothing: the tool, whose client just connects again, says so, and does it once more when it is run again.
func TestARepartitionWhoseRedisFallsBack(t *testing.T) {
	for _, c := range []struct{ name, kept, fell string }{
		{"the freezing is undone", "renamenx", "dump"},
		{"half of the freezing is undone", "evalsha", "restore"},
		{"the copying is undone", "dump", "info persistence"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFallible(t)
			d := deploymentOf(t, f.URL(), 16)
			b, leave := d.node()
			d.targets(b)
			is := d.fill(b)
			leave()
			fell := false
			save, fall := once(c.kept, f.save), once(c.fell, func() { fell = true; f.fall() })
			err := d.attempt(24, immortal(func(cmds ...redis.Cmder) {
				save(cmds...)
				fall(cmds...)
			}))
			require.True(t, fell)
			require.Error(t, err)
			r, err := store.ReadRecord(t.Context(), d.rdb)
			require.NoError(t, err)
			require.NotNil(t, r.Next, "it is not done")
			require.NoError(t, d.rdb.Del(t.Context(), store.MovingKey).Err()) // as time does
			d.done(24, is)
		})
	}
}

// While slots move, keys may be missed: no repartition begins, and one under way is not believed.
func TestARepartitionWhileSlotsMove(t *testing.T) {
	ctx, c := t.Context(), testenv.Cluster(t)
	d := deploymentOf(t, c.URL(), 16)
	b, leave := d.node()
	d.targets(b)
	f := d.fill(b)
	slot := b.store.Home("uma0").Sessions()

	began, moved := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(moved)
		close(began)
		c.MoveSlot(slot, 50*time.Millisecond)
	}()
	<-began
	eventually(t, func() bool {
		_, err := renumber.Servers(ctx, d.rdb)
		return err != nil
	})
	require.ErrorContains(t, d.attempt(24, immortal(nil)), "slots of the cluster are being moved")
	require.Equal(t, "16", d.rdb.Get(ctx, store.PartitionsKey).Val(), "nobody was stopped")
	<-moved
	leave()

	err := d.attempt(24, immortal(once("renamenx", func() { c.MoveSlot(slot, 0) })))
	require.ErrorContains(t, err, "run this again")
	r, err := store.ReadRecord(ctx, d.rdb)
	require.NoError(t, err)
	require.NotNil(t, r.Next, "it is not done")
	d.done(24, f)
}

// A tool dies, and a master with it, whose replica has nothing of what was done: run again, it does all of it.
func TestARepartitionThatLosesAMaster(t *testing.T) {
	for _, record := range []bool{true, false} { // the record's, or one of a partition
		t.Run(fmt.Sprint(record), func(t *testing.T) {
			t.Parallel()
			cluster := testenv.Cluster(t)
			d := deploymentOf(t, cluster.URL(), 16)
			b, leave := d.node()
			d.targets(b)
			f := d.fill(b)
			key := store.PartitionsKey
			for _, p := range b.store.Parts {
				if !record && cluster.MasterFor(p.Sessions()) != cluster.MasterFor(store.PartitionsKey) {
					key = p.Sessions()
				}
			}
			leave()
			cluster.LoseTail(key, func() {
				if record { // nothing is moved before the replica knows of it
					ctx, cancel := context.WithCancel(t.Context())
					o := d.options()
					o.Partitions = 24
					ended := make(chan error)
					go func() {
						_, err := Repartition(ctx, o, RepartitionOptions{})
						ended <- err
					}()
					eventually(t, func() bool { return must(store.ReadRecord(ctx, d.rdb)).Frozen })
					time.Sleep(12 * time.Second) // it would be in the middle of it; to ask the replica takes 5 s
					cancel()
					require.Error(t, <-ended)
					keys, err := store.Scan(t.Context(), d.rdb, "*")
					require.NoError(t, err)
					require.False(t, slices.ContainsFunc(keys, func(key string) bool { _, _, frozen := store.Thawed(key); return frozen }))
					return
				}
				m := immortal(nil)
				m.at = func(cmds ...redis.Cmder) {
					if moves("dump", cmds) {
						m.left.Store(1)
					}
				}
				require.ErrorIs(t, d.attempt(24, m), errKilled)
			})
			cluster.WaitOK()
			d.rdb = testenv.Client(t, d.url)                                  // one that does not look for the dead master
			require.NoError(t, d.rdb.Del(t.Context(), store.MovingKey).Err()) // as time does
			d.done(24, f)
		})
	}
}

// What was copied is on the disk before it counts.
func TestARepartitionWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	d := deploymentOf(t, testenv.Redis(t, "--appendonly", "yes").URL(), 16)
	require.GreaterOrEqual(t, d.repartition(24).Stop, 2*time.Second)
}
