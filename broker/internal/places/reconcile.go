package places

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// lately is how long ago a session may have ended for its people to be told once more.
const lately = time.Hour

// Reconcile makes agents' loads and the sessions they speak of the same, after a
// partition fell back, both ways: what the agents of these partitions hold, and what
// anybody holds of their sessions. The session is the truth.
func (p *Places) Reconcile(ctx context.Context, parts []store.Partition, fallen store.Partition, n *Rectified) error {
	r := reconciling{p, fallen, n}
	for _, q := range parts { // what is held for nothing goes first: it may be the room for what is not
		if err := r.held(ctx, q); err != nil {
			return err
		}
	}
	for _, q := range parts {
		err := p.store.EachSession(ctx, q, func(ctx context.Context, ids []string) error { return r.owned(ctx, q, ids) })
		if err != nil {
			return err
		}
	}
	return nil
}

type reconciling struct {
	*Places
	fallen store.Partition
	n      *Rectified
}

// concerns tells whether a place can be wrong because the partition fell back.
func (r reconciling) concerns(agent, session string) bool {
	home, ok := r.store.Of(session)
	return !ok || home.Index == r.fallen.Index || r.store.Home(agent).Index == r.fallen.Index
}

// held looks at what the agents of a partition hold, or know to be theirs.
func (r reconciling) held(ctx context.Context, q store.Partition) error {
	agents, err := r.store.Redis.SMembers(ctx, q.Agents()).Result()
	if err != nil {
		return store.RedisError("agents", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, agent := range agents {
		g.Go(func() error { return r.heldBy(ctx, q, agent) })
	}
	return g.Wait()
}

func (r reconciling) heldBy(ctx context.Context, q store.Partition, agent string) error {
	held, err := r.Held(ctx, agent)
	if err != nil {
		return err
	}
	mine, err := r.store.Pipe.HKeys(ctx, q.Mine("a:"+agent)).Result()
	if err != nil {
		return store.RedisError("mine", err)
	}
	for _, s := range append(held, mine...) {
		if !r.concerns(agent, s) {
			continue
		}
		if err := r.Rectify(ctx, agent, s, r.n); err != nil {
			return err
		}
	}
	return nil
}

// owned looks at whom a partition's sessions name: those that are open, or ended lately.
func (r reconciling) owned(ctx context.Context, q store.Partition, ids []string) error {
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	if len(ids) == 0 {
		return nil
	}
	if _, err := r.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = pipe.HGetAll(ctx, q.Session(id))
		}
		return nil
	}); err != nil {
		return store.RedisError("sessions", err)
	}
	cut := time.Now().Add(-lately).UnixMilli()
	for i, id := range ids {
		f := chat.Flat(cmds[i].Val())
		if f["state"] == string(chat.Ended) && f.Num("ended") < cut {
			continue
		}
		agents := []string{f["agent"], f["target"]}
		for name := range f {
			if agent, ok := strings.CutPrefix(name, "as:"); ok {
				agents = append(agents, agent)
			}
		}
		for _, agent := range agents {
			if agent == "" || !r.concerns(agent, id) {
				continue
			}
			if err := r.Rectify(ctx, agent, id, r.n); err != nil {
				return err
			}
		}
	}
	return nil
}
