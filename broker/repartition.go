package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/renumber"
	"bellhop/broker/internal/stats"
	"bellhop/broker/internal/store"
)

// RepartitionOptions say how.
type RepartitionOptions struct {
	// Wait is how long nodes have to leave, 2 minutes. One that was killed is waited for 15 s.
	Wait time.Duration
	// Cancel calls a repartition off, if nothing has been moved yet.
	Cancel bool
	// Progress, if not nil, is called now and then, one call at a time.
	Progress func(what string, done, total int)
}

// Repartitioned is what came of it.
type Repartitioned struct {
	From, To int
	Stop     time.Duration // from when nodes were asked to leave until they may begin again
}

// ErrMoving says that another repartition is running.
var ErrMoving = errors.New("another repartition is running")

// ErrMoved says that it is too late to call it off.
var ErrMoved = errors.New("it cannot be called off any more: run it to its end")

const movingLease = 20 * time.Second

// Repartition moves a deployment to Options.Partitions partitions. All nodes leave, and begin
// again when it is done. It may be stopped at any point, and run again: then it goes on.
func Repartition(ctx context.Context, o Options, ro RepartitionOptions) (Repartitioned, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if !ro.Cancel && (o.Partitions < 1 || o.Partitions > store.MaxPartitions) {
		return Repartitioned{}, fmt.Errorf("%w: %d is not within 1 and %d", ErrPartitions, o.Partitions, store.MaxPartitions)
	}
	ctx, done, err := onlyOne(ctx, o.Redis)
	if err != nil {
		return Repartitioned{}, err
	}
	defer done()
	if n, err := o.Redis.Exists(ctx, store.RestoringKey).Result(); err != nil || n > 0 {
		return Repartitioned{}, errors.Join(store.RedisError("restoring", err), ErrRestoring)
	}
	m := &repartition{o: o, ro: ro, began: time.Now()}
	if m.record, err = store.ReadRecord(ctx, o.Redis); err != nil {
		return Repartitioned{}, unread(err)
	}
	if ro.Cancel {
		return Repartitioned{}, m.cancel(ctx)
	}
	out := Repartitioned{From: m.record.Partitions, To: o.Partitions}
	if err := m.run(ctx); err != nil {
		return out, err
	}
	out.Stop = m.stop
	return out, nil
}

// onlyOne keeps others from doing the same at the same time.
func onlyOne(ctx context.Context, rdb redis.UniversalClient) (context.Context, func(), error) {
	me := ulid.Make().String()
	free, err := rdb.SetNX(ctx, store.MovingKey, me, movingLease).Result()
	if err != nil {
		return ctx, nil, store.RedisError("repartition", err)
	}
	if !free {
		return ctx, nil, fmt.Errorf("%w; one that was stopped is forgotten after %s", ErrMoving, movingLease)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for last := time.Now(); store.Sleep(ctx, movingLease/5); {
			if is, err := rdb.Get(ctx, store.MovingKey).Result(); err == nil && is == me {
				if rdb.Expire(ctx, store.MovingKey, movingLease).Err() == nil {
					last = time.Now()
				}
			}
			if time.Since(last) > movingLease*3/4 {
				cancel(ErrMoving)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
		ctx := context.WithoutCancel(ctx)
		if is, err := rdb.Get(ctx, store.MovingKey).Result(); err == nil && is == me {
			_ = rdb.Del(ctx, store.MovingKey).Err() // else it runs out
		}
	}, nil
}

// repartition is one under way.
type repartition struct {
	o      Options
	ro     RepartitionOptions
	record store.Record
	began  time.Time
	stop   time.Duration
}

// write changes the record.
func (m *repartition) write(ctx context.Context, is store.Record) error {
	if err := store.WriteRecord(ctx, m.o.Redis, m.record, is); err != nil {
		return err
	}
	m.record = is
	return nil
}

func (m *repartition) cancel(ctx context.Context) error {
	if m.record.Next == nil {
		return nil
	}
	if m.record.Frozen {
		return ErrMoved
	}
	is := m.record
	is.Next = nil
	return m.write(ctx, is)
}

func (m *repartition) run(ctx context.Context) error {
	if a := m.archiver(); a != nil {
		if err := a.Claim(ctx); err != nil {
			return err
		}
	}
	if err := m.clean(ctx); err != nil { // what an earlier one left
		return err
	}
	if m.record.Next == nil && m.record.Partitions == m.o.Partitions && !m.record.Named {
		return nil
	}
	if err := m.may(ctx); err != nil {
		return err
	}
	if err := m.announce(ctx); err != nil {
		return err
	}
	if err := m.move(ctx); err != nil {
		return err
	}
	return m.clean(ctx)
}

// may looks whether what cannot be done without may be done, before anybody is stopped.
func (m *repartition) may(ctx context.Context) error {
	rdb, key, other := m.o.Redis, store.MovingKey+":probe", store.MovingKey+":probed"
	if err := rdb.Set(ctx, key, 1, time.Minute).Err(); err != nil {
		return store.RedisError("probe", err)
	}
	dump, err := rdb.Dump(ctx, key).Result()
	if err == nil {
		err = rdb.RestoreReplace(ctx, other, time.Minute, dump).Err()
	}
	for _, cmd := range [][]any{{"type", key}, {"unlink", key}, {"unlink", other}, {"renamenx", key, key}} {
		if e := rdb.Do(ctx, cmd...).Err(); e != nil && !redis.HasErrorPrefix(e, "no such key") {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return fmt.Errorf("this user of Redis may not do what it takes; see deploy/redis-users.acl: %w", err)
	}
	if _, err := renumber.Servers(ctx, rdb); err != nil {
		return err
	}
	if m.record.Frozen {
		return nil // what fits, shows
	}
	return renumber.Room(ctx, rdb)
}

// announce has nodes leave, and none begin.
func (m *repartition) announce(ctx context.Context) error {
	is := m.record
	if is.Next != nil && is.Next.Partitions == m.o.Partitions {
		return nil // begun before
	}
	generation := is.Generation + 1
	if is.Next != nil {
		if err := renumber.Wipe(ctx, m.o.Redis, *is.Next); err != nil {
			return err
		}
		generation = is.Next.Generation + 1
	}
	is.Next = &store.Numbering{Partitions: m.o.Partitions, Generation: generation}
	return m.write(ctx, is)
}

// move does it.
func (m *repartition) move(ctx context.Context) error {
	st := store.NewStore(m.o.Redis, m.o.Log)
	if err := st.Open(ctx, m.record.Numbering, nil); err != nil {
		return err
	}
	defer func() { _ = st.Pipe.Close() }()
	counts := stats.New(st, m.o.Archive, nil, nil)
	mover := renumber.New(st, *m.record.Next, renumber.Needs{Archived: m.o.Archive != nil, Progress: m.ro.Progress,
		Leave: func(ctx context.Context, key string, part int) (int64, map[string]string, error) {
			left, err := counts.Leave(ctx, key, part)
			return left.Sealed, left.Agents, err
		}})
	if !m.record.Frozen {
		if err := m.quiet(ctx, mover); err != nil {
			return err
		}
	}
	if err := mover.Freeze(ctx); err != nil {
		return err
	}
	if err := mover.Copy(ctx); err != nil {
		return err
	}
	if err := m.write(ctx, store.Record{Numbering: *m.record.Next, Shape: store.Shape, Clean: append(m.record.Clean, m.record.Numbering)}); err != nil {
		return err
	}
	m.stop = time.Since(m.began)
	return nil
}

// quiet waits until no node is left; else it is called off.
func (m *repartition) quiet(ctx context.Context, mover *renumber.Mover) error {
	wait := m.ro.Wait
	if wait == 0 {
		wait = 2 * time.Minute
	}
	err := mover.Quiet(ctx, wait)
	var busy *renumber.Busy
	if errors.As(err, &busy) {
		return errors.Join(err, m.cancel(ctx))
	}
	if err != nil {
		return err
	}
	is := m.record
	is.Frozen = true
	if err := m.write(ctx, is); err != nil {
		return err
	}
	return renumber.Followed(ctx, m.o.Redis)
}

// archiver is nil without an archive.
func (m *repartition) archiver() *archiving.Archiver {
	if m.o.Archive == nil {
		return nil
	}
	return archiving.NewArchiver(store.NewStore(m.o.Redis, m.o.Log), m.o.Archive, 0, 0, nil)
}

// clean removes what was copied, and tells the archive how it is now.
func (m *repartition) clean(ctx context.Context) error {
	if len(m.record.Clean) == 0 || m.record.Next != nil {
		return nil
	}
	if a := m.archiver(); a != nil {
		if err := a.KeepNumbering(ctx, m.record.Numbering); err != nil {
			return err
		}
	}
	// That all was copied must not be forgotten where what was copied is gone.
	if err := renumber.Kept(ctx, m.o.Redis, m.record.Parts(), nil); err != nil {
		return err
	}
	if err := renumber.Clean(ctx, m.o.Redis, m.record.Clean...); err != nil {
		return err
	}
	is := m.record
	is.Clean = nil
	return m.write(ctx, is)
}
