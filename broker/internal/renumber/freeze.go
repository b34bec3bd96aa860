package renumber

import (
	"context"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/internal/store"
)

// A node that was silent may come back at any moment, and write into the partitions that
// are left. The order of these steps sees to it that what it does either is whole and
// moved, or fails: no script changes a session whose hash is gone; whatever else begins
// something reads or writes one of its partition's own keys, in whose place there is a
// list then, which no script can use.

func limited(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	return g, ctx
}

// Freeze puts all that the old partitions hold where no node finds it.
func (m *Mover) Freeze(ctx context.Context) error {
	var err error
	if m.servers, err = Servers(ctx, m.store.Redis); err != nil {
		return err
	}
	m.begin("freezing", m.size(ctx))
	g, within := limited(ctx)
	for _, p := range m.store.Parts {
		g.Go(func() error {
			if err := m.freezeSessions(within, p); err != nil {
				return err
			}
			keys := make([]string, 0, 2*len(own))
			for _, name := range own {
				keys = append(keys, p.Key(name), p.Frozen(name))
			}
			_, err := m.store.Run(within, "entomb", keys)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// What is there now, once around: what comes later is of no use to anybody, since nobody was told
	// that it was done. So a node that never notices does not keep this from its end.
	return m.freezeRest(ctx)
}

// ofOne are the keys of a session; its hash first.
func ofOne(p store.Partition, s string) []string {
	return []string{p.Session(s), p.Log(s), p.Unread(s), p.Read(s), p.Keys(s), p.Authors(s), p.Recalled(s)}
}

func (m *Mover) freezeSessions(ctx context.Context, p store.Partition) error {
	if kind, err := m.store.Redis.Type(ctx, p.Sessions()).Result(); err != nil || kind != "zset" {
		return store.RedisError("sessions", err) // there are none, or it has been done
	}
	return m.store.EachSession(ctx, p, func(ctx context.Context, ids []string) error {
		var keys []string
		for _, id := range ids {
			keys = append(keys, ofOne(p, id)...)
		}
		return m.putAway(ctx, keys)
	})
}

// putAway renames keys, each for itself; what is not there is left out, and so is, for good, what is there
// under its new name: a node of before has made it again, of which nobody was told that it was done.
func (m *Mover) putAway(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	n := 0
	cmds := make([]*redis.BoolCmd, len(keys))
	_, _ = m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, key := range keys {
			tag, name, _ := store.Tagged(key)
			cmds[i] = pipe.RenameNX(ctx, key, m.byTag[tag].Frozen(name))
		}
		return nil
	})
	var again []string
	for i, c := range cmds {
		moved, err := c.Result()
		switch {
		case redis.HasErrorPrefix(err, "no such key"):
		case err != nil:
			return store.RedisError("freeze", err)
		case moved:
			n++
		default:
			again = append(again, keys[i])
		}
	}
	m.step(n)
	return m.remove(ctx, again)
}

// freezeRest puts away what is no session's, and sessions that have come since.
func (m *Mover) freezeRest(ctx context.Context) error {
	return each(ctx, m.store.Redis, func(ctx context.Context, keys []string) error {
		var list []string
		sessions := map[string]bool{}
		for _, key := range keys {
			tag, name, ok := store.Tagged(key)
			p, ours := m.byTag[tag]
			if !ok || !ours || ownKinds[name] != "" {
				continue
			}
			kind, id := kindOf(name)
			switch {
			case kind == "":
				m.store.Log.Warn("a key of no kind is left where it is", "key", key)
			case len(name) > 1 && name[:2] == "s:":
				if !sessions[id] {
					list = append(list, ofOne(p, id)...)
				}
				sessions[id] = true
			default:
				list = append(list, key)
			}
		}
		return m.putAway(ctx, list)
	})
}

func (m *Mover) remove(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := m.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range keys {
			pipe.Del(ctx, key)
		}
		return nil
	})
	return store.RedisError("remove", err)
}
