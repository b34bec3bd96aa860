package broker

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

func (r *recovery) level() slog.Level {
	if r.recovered.Load()+r.superseded.Load()+r.placed.Load()+r.evicted.Load() > 0 {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// places reconciles agents' loads with the sessions they speak of, both ways: what
// the partition's agents hold, and what anybody holds of its sessions. The session
// is the truth.
func (r *recovery) places(ctx context.Context) error {
	parts := r.b.Parts
	if r.alone {
		parts = []store.Partition{r.p}
	}
	for _, q := range parts { // what is held for nothing goes first: it may be the room for what is not
		if err := r.held(ctx, q); err != nil {
			return err
		}
	}
	for _, q := range parts {
		err := r.b.eachSession(ctx, q, func(ctx context.Context, ids []string) error { return r.owned(ctx, q, ids) })
		if err != nil {
			return err
		}
	}
	return nil
}

// concerns tells whether a place can be wrong because the partition fell back.
func (r *recovery) concerns(agent, session string) bool {
	home, ok := r.b.Of(session)
	return !ok || home.Index == r.p.Index || r.b.Home(agent).Index == r.p.Index
}

// held looks at what the agents of a partition hold, or know to be theirs.
func (r *recovery) held(ctx context.Context, q store.Partition) error {
	agents, err := r.b.Redis.SMembers(ctx, q.Agents()).Result()
	if err != nil {
		return store.RedisError("agents", err)
	}
	return r.each(ctx, agents, func(ctx context.Context, agent string) error {
		load, err := r.b.Pipe.HKeys(ctx, q.Load(agent)).Result()
		if err != nil {
			return store.RedisError("load", err)
		}
		mine, err := r.b.Pipe.HKeys(ctx, q.Mine("a:"+agent)).Result()
		if err != nil {
			return store.RedisError("mine", err)
		}
		for _, s := range append(load, mine...) {
			if !r.concerns(agent, s) {
				continue
			}
			if err := r.b.rectify(ctx, agent, s, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// owned looks at whom a partition's sessions name: those that are open, or ended lately.
func (r *recovery) owned(ctx context.Context, q store.Partition, ids []string) error {
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	if len(ids) == 0 {
		return nil
	}
	if _, err := r.b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
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
			if err := r.b.rectify(ctx, agent, id, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// rectify makes an agent's load and its list of sessions what a session says, if
// they are not. Where there is no room for what it owns, the session waits again.
func (b *Broker) rectify(ctx context.Context, agent, session string, r *recovery) error {
	for try := range 5 {
		// The place first: what changes after the session was read changes the place, too, and that is seen.
		was, err := b.Pipe.HGet(ctx, b.Home(agent).Load(agent), session).Result()
		if err != nil && !store.IsNil(err) {
			return store.RedisError("load", err)
		}
		st, fields, err := b.lookFields(ctx, session)
		if err != nil {
			return err
		}
		role, token := roleOf(st, fields, agent)
		changed, full, err := b.rectifyPlace(ctx, agent, session, was, token)
		if err != nil {
			return err
		}
		if full && try == 0 {
			if err := b.rectifyOthers(ctx, agent, session, r); err != nil {
				return err
			}
			continue
		}
		if full {
			r.evicted.Add(1)
			return b.evict(ctx, agent, session)
		}
		listed, err := b.rectifyList(ctx, st, agent, session, role)
		if err != nil {
			return err
		}
		if changed {
			r.placed.Add(1)
			b.placed.Add(1)
		}
		if !changed && !listed {
			return nil // as it was seen
		}
	}
	return nil // it changes all the time: its own effects go on
}

// rectifyOthers takes away what an agent without room holds for nothing.
func (b *Broker) rectifyOthers(ctx context.Context, agent, but string, r *recovery) error {
	load, err := b.Pipe.HKeys(ctx, b.Home(agent).Load(agent)).Result()
	if err != nil {
		return store.RedisError("load", err)
	}
	for _, s := range load {
		if s == but {
			continue
		}
		was, err := b.Pipe.HGet(ctx, b.Home(agent).Load(agent), s).Result()
		if err != nil && !store.IsNil(err) {
			return store.RedisError("load", err)
		}
		st, fields, err := b.lookFields(ctx, s)
		if err != nil {
			return err
		}
		if _, token := roleOf(st, fields, agent); token == "" {
			changed, _, err := b.rectifyPlace(ctx, agent, s, was, "")
			if err != nil {
				return err
			}
			if changed {
				r.placed.Add(1)
				b.placed.Add(1)
			}
		}
	}
	return nil
}

// lookFields reads a session in Redis; nil where it is not there.
func (b *Broker) lookFields(ctx context.Context, session string) (*chat.Snapshot, chat.Flat, error) {
	p, ok := b.Of(session)
	if !ok {
		return nil, nil, nil
	}
	r, err := b.Run(ctx, "look", p.Looked(session))
	if err != nil {
		return nil, nil, err
	}
	return chat.ParseSnapshot(session, r.Str(0))
}

// roleOf is what an agent is to a session, and the token of the place that needs; "" for none.
func roleOf(st *chat.Snapshot, f chat.Flat, agent string) (role, token string) {
	switch {
	case st == nil:
		return "none", ""
	case st.State != chat.Ended && st.Agent != nil && st.Agent.ID == agent:
		return "owner", f["agent_res"]
	case st.State != chat.Ended && st.Target != nil && st.Target.ID == agent:
		token = f["target_res"]
	}
	switch {
	case st.Agent != nil && st.Agent.ID == agent:
		role = "owner"
	case f["as:"+agent] != "":
		role = "assistant"
	case token != "":
		role = "target"
	case st.Took["a:"+agent], st.Unsure["a:"+agent]:
		role = "past"
	default:
		role = "none"
	}
	return role, token
}

// rectifyPlace gives or takes a place where the load is not as the session says.
func (b *Broker) rectifyPlace(ctx context.Context, agent, session, was, token string) (changed, full bool, err error) {
	p, w := b.Home(agent), "a:"+agent
	held, until, _ := strings.Cut(was, "|")
	switch {
	case was == "" && token == "", until == "held" && held == token:
		return false, false, nil
	case was != "" && until != "held" && held >= token:
		return false, false, nil // reserved just now, or its timer asks
	}
	reply, err := b.RunJSON(ctx, "rectify", []string{p.Profile(w), p.Load(agent), p.Timers(), p.Stats()}, map[string]string{
		"agent": agent, "session": session, "was": was, "token": token}, p.Waiting(""))
	if err != nil {
		return false, false, err
	}
	return reply.Str(0) == "ok" || reply.Str(0) == "moved", reply.Str(0) == "full", nil
}

// rectifyList tells an agent's partition what the agent is to the session, where it knows it otherwise.
func (b *Broker) rectifyList(ctx context.Context, st *chat.Snapshot, agent, session, role string) (bool, error) {
	p, w := b.Home(agent), "a:"+agent
	is, err := b.Pipe.HGet(ctx, p.Mine(w), session).Result()
	if err != nil && !store.IsNil(err) {
		return false, store.RedisError("mine", err)
	}
	over := role == "none" || role == "past" || st != nil && st.State == chat.Ended
	parts := strings.Split(is, "|") // rev, role, since when it is over
	switch {
	case is == "" && (role == "none" || role == "past"):
		return false, nil
	case len(parts) != 3 || parts[1] != role || (parts[2] != "0") != over:
	case st == nil || archiving.Number(parts[0]) <= st.Rev: // a higher one is of what was lost, and would hide what comes
		return false, nil
	}
	e := effect{Agent: agent, Session: session, Rev: 1, Role: role, Sure: true, Created: createdAt(session, 0)}
	if st != nil {
		e.Rev, e.Ended = st.Rev, st.State == chat.Ended
	}
	return true, b.settle(ctx, e)
}

// evict takes an agent out of a session for which it has no room: both its owner
// and its capacity cannot be kept. The session waits again, ahead of its queue.
func (b *Broker) evict(ctx context.Context, agent, session string) error {
	b.Log.Warn("an agent has no room for a session that it owned before Redis fell back; it waits again", "agent", agent, "session", session)
	return settled(b.vacate(ctx, agent, session, "full"))
}
