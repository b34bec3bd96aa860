package renumber

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// finish makes what is no copy of a key: what must be the same in all partitions, or is
// put together of several.
func (m *Mover) finish(ctx context.Context) error {
	now, err := m.store.Redis.Time(ctx).Result()
	if err != nil {
		return store.RedisError("time", err)
	}
	change := ulid.Make().String() // nodes read the queues' settings anew
	if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range m.parts {
			pipe.Set(ctx, p.Rules(), change, 0)
			pipe.HSet(ctx, p.Epoch(), "at", now.UnixMilli()) // nobody counts as absent before the nodes have told who is there
			for kind, n := range m.marks {
				if n == len(m.store.Parts) {
					pipe.ZAdd(ctx, p.Key(kind), redis.Z{})
				}
			}
			for field, n := range m.serve[i] {
				pipe.HSet(ctx, p.Stats(), field, n)
			}
		}
		return nil
	}); err != nil {
		return store.RedisError("finish", err)
	}
	if err := m.moveStats(ctx); err != nil {
		return err
	}
	return m.moveDead(ctx)
}

// moveStats archives what was counted, and lets what goes on go on.
func (m *Mover) moveStats(ctx context.Context) error {
	last := int64(0)
	for _, p := range m.store.Parts {
		key := p.Frozen("stats")
		sealed, agents, err := m.needs.Leave(ctx, key, p.Index)
		if err != nil {
			return err
		}
		last = max(last, sealed)
		if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for agent, is := range agents {
				pipe.HSet(ctx, m.parts[m.to.Index(agent)].Stats(), "now|agent|\x1f"+agent, is)
			}
			return nil
		}); err != nil {
			return store.RedisError("statistics", err)
		}
		if !m.needs.Archived {
			if err := m.addHours(ctx, key, m.parts[m.beside(p.Index)].Stats()); err != nil {
				return err
			}
		}
	}
	_, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range m.parts {
			if last > 0 {
				pipe.HSet(ctx, p.Stats(), "sealed", last)
			}
		}
		return nil
	})
	return store.RedisError("statistics", err)
}

// addHours adds hours that no archive has to those of another partition.
func (m *Mover) addHours(ctx context.Context, from, to string) error {
	all, err := m.store.Redis.HGetAll(ctx, from).Result()
	if err != nil {
		return store.RedisError("statistics", err)
	}
	_, err = m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for field, text := range all {
			hour, _, _ := strings.Cut(field, "|")
			_, err1 := strconv.Atoi(hour)
			n, err2 := strconv.ParseInt(text, 10, 64)
			if err1 == nil && err2 == nil {
				pipe.HIncrBy(ctx, to, field, n)
			}
		}
		return nil
	})
	return store.RedisError("statistics", err)
}

// moveDead gives each new partition the dead letters of those that begin in it. Their ids
// name their partition, so they change.
func (m *Mover) moveDead(ctx context.Context) error {
	for to, p := range m.parts {
		var letters []redis.XMessage
		for _, old := range m.store.Parts {
			if m.beside(old.Index) != to {
				continue
			}
			list, err := m.store.Redis.XRange(ctx, old.Frozen("dead"), "-", "+").Result()
			if err != nil {
				return store.RedisError("dead letters", err)
			}
			letters = append(letters, list...)
		}
		slices.SortStableFunc(letters, func(a, b redis.XMessage) int {
			ms, n := entry(a.ID)
			ms2, n2 := entry(b.ID)
			return cmp.Or(cmp.Compare(ms, ms2), cmp.Compare(n, n2))
		})
		var ms, n uint64
		for chunk := range slices.Chunk(letters, pageSize) {
			if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for _, l := range chunk {
					at, i := entry(l.ID)
					if at == ms && i <= n { // of two partitions
						i = n + 1
					}
					ms, n = at, i
					pipe.XAdd(ctx, &redis.XAddArgs{Stream: p.Dead(), ID: fmt.Sprintf("%d-%d", at, i), Values: l.Values})
				}
				return nil
			}); err != nil {
				return store.RedisError("dead letters", err)
			}
		}
	}
	return nil
}

// entry reads a stream's id.
func entry(id string) (ms, n uint64) {
	a, b, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(a, 10, 64)
	n, _ = strconv.ParseUint(b, 10, 64)
	return ms, n
}

// verify looks whether each session is where it will be looked for. What a scan does not
// see, since a slot moved meanwhile, must not be lost.
func (m *Mover) verify(ctx context.Context) error {
	for _, p := range m.store.Parts {
		if err := m.pages(ctx, p.Frozen("sessions"), func(list []string) error {
			was, is := make([]*redis.SliceCmd, 0, pageSize), make([]*redis.SliceCmd, 0, pageSize)
			var ids []string
			if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i := 0; i < len(list); i += 2 {
					id := list[i]
					ids = append(ids, id)
					was = append(was, pipe.HMGet(ctx, p.Frozen("s:"+id), "rev", "seq"))
					is = append(is, pipe.HMGet(ctx, m.parts[ofSession(m, p.Index, id)[0]].Session(id), "rev", "seq"))
				}
				return nil
			}); err != nil {
				return store.RedisError("verify", err)
			}
			for i, id := range ids {
				if fmt.Sprint(was[i].Val()) != fmt.Sprint(is[i].Val()) {
					return fmt.Errorf("session %s was not copied: do slots move? Run this again when they do not", id)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
