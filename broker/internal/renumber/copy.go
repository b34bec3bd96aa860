package renumber

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// comeBack is how long agents who were about to be taken for gone have to come back.
const comeBack = 30 * time.Second

// Copy makes the new partitions of what is frozen, from the beginning, unless it has been done to the end:
// then it is only the record that does not say so, or fell back with its server, what is frozen may be gone, and
// nodes may have been on the new partitions: what they did counts.
func (m *Mover) Copy(ctx context.Context) error {
	done, err := m.copied(ctx)
	if err != nil {
		return err
	}
	if done {
		return nil
	}
	if err := m.wipe(ctx); err != nil {
		return err
	}
	now, err := m.store.Redis.Time(ctx).Result()
	if err != nil {
		return store.RedisError("time", err)
	}
	m.now, m.due = now.UnixMilli(), now.Add(comeBack).UnixMilli()
	m.begin("copying", m.size(ctx))
	for _, p := range m.store.Parts {
		if err := m.lookAround(ctx, p); err != nil {
			return err
		}
	}
	if err := each(ctx, m.store.Redis, m.copyPage); err != nil {
		return err
	}
	if err := m.finish(ctx); err != nil {
		return err
	}
	if err := m.verify(ctx); err != nil {
		return err
	}
	m.begin("waiting for replicas and disks", 0)
	if err := Kept(ctx, m.store.Redis, m.parts, m.store.Parts); err != nil {
		return err
	}
	if err := m.same(ctx); err != nil {
		return err
	}
	return store.RedisError("copied", m.store.Redis.HSet(ctx, m.parts[0].Epoch(), copiedField, 1).Err())
}

// copiedField is in the first partition's epoch once all is copied.
const copiedField = "copied"

// copied tells whether it is, or nodes have been on the new partitions.
func (m *Mover) copied(ctx context.Context) (bool, error) {
	runs := make([]*redis.BoolCmd, 0, len(m.parts)+1)
	_, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		runs = append(runs, pipe.HExists(ctx, m.parts[0].Epoch(), copiedField))
		for _, p := range m.parts {
			runs = append(runs, pipe.HExists(ctx, p.Epoch(), "run"))
		}
		return nil
	})
	for _, run := range runs {
		if run.Val() {
			return true, nil
		}
	}
	return false, store.RedisError("epoch", err)
}

// wipe removes what an attempt that was stopped has copied.
func (m *Mover) wipe(ctx context.Context) error {
	mine := map[string]bool{}
	for _, p := range m.parts {
		mine[p.Tag] = true
	}
	return each(ctx, m.store.Redis, func(ctx context.Context, keys []string) error {
		var list []string
		for _, key := range keys {
			if tag, _, ok := store.Tagged(key); ok && mine[tag] {
				list = append(list, key)
			}
		}
		return m.remove(ctx, list)
	})
}

// pages walks over a frozen set of scores.
func (m *Mover) pages(ctx context.Context, key string, f func(list []string) error) error {
	for cursor := uint64(0); ; {
		list, next, err := m.store.Redis.ZScan(ctx, key, cursor, "", pageSize).Result()
		if err != nil {
			return store.RedisError("read", err)
		}
		if err := f(list); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// lookAround finds out whose the sessions of a partition are, and who serves them.
func (m *Mover) lookAround(ctx context.Context, p store.Partition) error {
	return m.pages(ctx, p.Frozen("sessions"), func(list []string) error {
		ids := make([]string, 0, len(list)/2)
		for i := 0; i < len(list); i += 2 {
			ids = append(ids, list[i])
		}
		return m.learn(ctx, p, ids, true)
	})
}

// learn reads whose sessions are; and counts who serves them.
func (m *Mover) learn(ctx context.Context, p store.Partition, ids []string, count bool) error {
	if len(ids) == 0 {
		return nil
	}
	cmds := make([]*redis.SliceCmd, len(ids))
	if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = pipe.HMGet(ctx, p.Frozen("s:"+id), "user", "agent", "queue", "owned")
		}
		return nil
	}); err != nil {
		return store.RedisError("session", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, id := range ids {
		var f [4]string
		for j, v := range cmds[i].Val() {
			f[j], _ = v.(string)
		}
		if f[0] == "" {
			continue // it is not there
		}
		at := m.to.Index(f[0])
		if _, told := m.to.IndexOf(id); !told {
			m.older[id] = uint8(at) //nolint:gosec // below 256
		}
		if count && f[1] != "" && f[3] != "" {
			if m.serve[at] == nil {
				m.serve[at] = map[string]int64{}
			}
			m.serve[at]["now|serving|"+f[2]+"\x1f"+f[1]]++
		}
	}
	return nil
}

// unknown tells whether a session's partition is not known yet.
func (m *Mover) unknown(session string) bool {
	if _, told := m.to.IndexOf(session); told {
		return false
	}
	_, known := m.olderAt(session)
	return !known
}

func (m *Mover) olderAt(session string) (int, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i, ok := m.older[session]
	return int(i), ok
}

// piece is a frozen key on its way.
type piece struct {
	key, name, kind, id string
	from                store.Partition
}

// copyPage copies what of a page of keys is frozen.
func (m *Mover) copyPage(ctx context.Context, keys []string) error {
	var whole, sets []piece
	strangers := map[int][]string{}
	for _, key := range keys {
		tag, name, ok := store.Thawed(key)
		p, ours := m.byTag[tag]
		if !ok || !ours {
			continue
		}
		kind, id := kindOf(name)
		r := rules[kind]
		w := piece{key, name, kind, id, p}
		switch {
		case r.whole != nil:
			whole = append(whole, w)
			if strings.HasPrefix(name, "s:") && m.unknown(id) {
				strangers[p.Index] = append(strangers[p.Index], id)
			}
		case r.member != nil:
			sets = append(sets, w)
		}
	}
	for i, ids := range strangers {
		if err := m.learn(ctx, m.store.Parts[i], ids, false); err != nil {
			return err
		}
	}
	if err := m.copyWhole(ctx, whole); err != nil {
		return err
	}
	for _, w := range sets {
		if err := m.split(ctx, w); err != nil {
			return err
		}
	}
	m.step(len(whole) + len(sets))
	return nil
}

// copyWhole copies keys as they are, with the time they have to live.
func (m *Mover) copyWhole(ctx context.Context, list []piece) error {
	if len(list) == 0 {
		return nil
	}
	dumps, lives := make([]*redis.StringCmd, len(list)), make([]*redis.DurationCmd, len(list))
	if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, w := range list {
			dumps[i], lives[i] = pipe.Dump(ctx, w.key), pipe.PTTL(ctx, w.key)
		}
		return nil
	}); err != nil && !errors.Is(err, redis.Nil) {
		return store.RedisError("dump", err)
	}
	var loads []piece
	if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, w := range list {
			if store.IsNil(dumps[i].Err()) || lives[i].Val() == -2 {
				continue // its time was over
			}
			for _, to := range rules[w.kind].whole(m, w.from.Index, w.id) {
				pipe.RestoreReplace(ctx, m.parts[to].Key(w.name), max(0, lives[i].Val()), dumps[i].Val())
			}
			if w.kind == "load" {
				loads = append(loads, w)
			}
		}
		return nil
	}); err != nil {
		return store.RedisError("restore", err)
	}
	return m.remind(ctx, loads)
}

// remind sees to it that each reserved place has its timer: a script that failed half way may
// have made one without.
func (m *Mover) remind(ctx context.Context, loads []piece) error {
	for _, w := range loads {
		held, err := m.store.Redis.HGetAll(ctx, w.key).Result()
		if err != nil {
			return store.RedisError("load", err)
		}
		timers := m.parts[m.to.Index(w.id)].Timers()
		for session, place := range held {
			if strings.HasSuffix(place, "|held") {
				continue
			}
			if err := m.store.Redis.ZAddNX(ctx, timers, redis.Z{Score: float64(m.now), Member: "place|" + session + "|" + w.id}).Err(); err != nil {
				return store.RedisError("load", err)
			}
		}
	}
	return nil
}

// split hands a set's members out, some at a time.
func (m *Mover) split(ctx context.Context, w piece) error {
	r := rules[w.kind]
	if w.kind == "agents" || w.kind == "node" || w.kind == "strange" {
		return m.splitNames(ctx, w, r)
	}
	return m.pages(ctx, w.key, func(list []string) error {
		if len(list) == 0 {
			return nil
		}
		out := map[int][]redis.Z{}
		for i := 0; i+1 < len(list); i += 2 {
			var score float64
			if _, err := fmt.Sscan(list[i+1], &score); err != nil {
				return fmt.Errorf("%s: %q: %w", w.key, list[i], err)
			}
			if w.kind == "timers" && strings.HasPrefix(list[i], "gone|") {
				score = max(score, float64(m.due))
			}
			if list[i] == "" && (w.kind == "states" || w.kind == "labelled") {
				m.mu.Lock()
				m.marks[w.kind]++
				m.mu.Unlock()
			}
			for _, to := range r.member(m, w.from.Index, list[i]) {
				out[to] = append(out[to], redis.Z{Score: score, Member: list[i]})
			}
		}
		_, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for to, members := range out {
				pipe.ZAdd(ctx, m.parts[to].Key(w.name), members...)
			}
			return nil
		})
		return store.RedisError("copy", err)
	})
}

// splitNames does so with a set without scores. The connections at a node of before are
// cleared, wherever one of its participants is: none of them is there any more.
func (m *Mover) splitNames(ctx context.Context, w piece, r rule) error {
	for cursor := uint64(0); ; {
		list, next, err := m.store.Redis.SScan(ctx, w.key, cursor, "", pageSize).Result()
		if err != nil {
			return store.RedisError("read", err)
		}
		if _, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, name := range list {
				for _, to := range r.member(m, w.from.Index, name) {
					pipe.SAdd(ctx, m.parts[to].Key(w.name), name)
					if w.kind == "node" {
						pipe.ZAdd(ctx, m.parts[to].Clearing(), redis.Z{Score: float64(m.due), Member: w.id})
					}
				}
			}
			return nil
		}); err != nil {
			return store.RedisError("copy", err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
