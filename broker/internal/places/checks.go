package places

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// SessionChecks are what must hold of the places of those who take part in a session.
func (p *Places) SessionChecks(part store.Partition, id string) []store.Check {
	return []store.Check{{Promise: 4, Keys: []string{part.Session(id)}, Run: p.store.OfSession(part, id, p.heldCheck)}}
}

// heldCheck: the owner's and the target's are held.
func (p *Places) heldCheck(ctx context.Context, st *chat.Snapshot, _ chat.Flat) (string, error) {
	if st.State == chat.Ended {
		return "", nil
	}
	for _, who := range []*chat.Person{st.Agent, st.Target} {
		if who == nil {
			continue
		}
		held, err := p.store.Pipe.HExists(ctx, p.store.Home(who.ID).Load(who.ID), st.ID).Result()
		if err != nil || !held {
			return fmt.Sprintf("no place is held for it in the load of %q", who.ID), store.RedisError("audit", err)
		}
	}
	return p.known(ctx, st)
}

// known: those who take part know of it, as what they are.
func (p *Places) known(ctx context.Context, st *chat.Snapshot) (string, error) {
	roles := map[string]string{}
	if st.Target != nil {
		roles[st.Target.ID] = "target"
	}
	for _, a := range st.Assistants {
		roles[a.ID] = "assistant"
	}
	if st.Agent != nil {
		roles[st.Agent.ID] = "owner"
	}
	for id, role := range roles {
		is, err := p.store.Pipe.HGet(ctx, p.store.Home(id).Mine("a:"+id), st.ID).Result()
		if err != nil && !store.IsNil(err) {
			return "", store.RedisError("audit", err)
		}
		if parts := strings.Split(is, "|"); len(parts) != 3 || parts[1] != role {
			return fmt.Sprintf("%q is its %s and knows it as %q", id, role, is), nil
		}
	}
	return "", nil
}

// HeldCheck looks whether a place is held for an owner or a target, or was reserved no longer ago than slack.
// Look reads a session wherever it is.
func (p *Places) HeldCheck(part store.Partition, agent, session string, slack time.Duration,
	look func(ctx context.Context, session string) (*chat.Snapshot, error)) store.Check {
	return store.Check{Promise: 4, Keys: []string{part.Load(agent)}, Run: func(ctx context.Context) (string, error) {
		place, err := p.store.Pipe.HGet(ctx, part.Load(agent), session).Result()
		if errors.Is(err, redis.Nil) {
			return "", nil
		}
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		_, until, _ := strings.Cut(place, "|")
		if due, err := strconv.ParseInt(until, 10, 64); err == nil && time.Since(time.UnixMilli(due)) < slack {
			return "", nil
		}
		st, err := look(ctx, session)
		if err != nil && chat.AsError(err).Code != chat.CodeNotFound {
			return "", err
		}
		if st != nil && st.State != chat.Ended && (st.Agent != nil && st.Agent.ID == agent || st.Target != nil && st.Target.ID == agent) {
			return "", nil
		}
		return fmt.Sprintf("a place of %q is held for nothing: %s = %s", agent, session, place), nil
	}}
}
