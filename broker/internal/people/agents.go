package people

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Profile is what is known of a participant; see its field Known.
func (ps *People) Profile(ctx context.Context, role chat.Role, id string) (chat.Profile, error) {
	f, err := ps.store.Pipe.HGetAll(ctx, ps.store.Home(id).Profile(chat.Who(role, id))).Result()
	if err != nil {
		return chat.Profile{}, store.RedisError("profile", err)
	}
	return chat.ParseProfile(id, f), nil
}

// Introduce makes an agent known, with its token's queues and capacity unless they
// were set, or it is connected with another token.
func (ps *People) Introduce(ctx context.Context, id chat.Identity) error {
	w, p := chat.Who(id.Role, id.ID), ps.store.Home(id.ID)
	r, err := ps.store.RunJSON(ctx, "introduce", []string{p.Profile(w), p.Conns(w), p.Agents(), p.Named(), p.Dirty(),
		p.Load(id.ID), p.Stats(), p.Crews(), p.Presences()}, struct {
		Who      string `json:"who"`
		Agent    string `json:"agent"`
		Info     string `json:"info"`
		Queues   string `json:"queues"`
		Capacity int    `json:"capacity"`
	}{w, id.ID, chat.Encode(id.Person()), chat.Encode(id.Queues), id.Capacity}, p.Waiting(""))
	if err != nil {
		return err
	}
	return store.Refused(r)
}

// Agent is an agent's profile, and how many sessions it holds.
func (ps *People) Agent(ctx context.Context, id string) (chat.Profile, int, error) {
	part := ps.store.Home(id)
	var fields *redis.MapStringStringCmd
	var load *redis.IntCmd
	_, err := ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HGetAll(ctx, part.Profile("a:"+id))
		load = pipe.HLen(ctx, part.Load(id))
		return nil
	})
	if err != nil {
		return chat.Profile{}, 0, store.RedisError("agent", err)
	}
	return chat.ParseProfile(id, fields.Val()), int(load.Val()), nil
}

// Agents are all known agents.
func (ps *People) Agents(ctx context.Context) ([]chat.AgentInfo, error) {
	out := []chat.AgentInfo{}
	err := ps.EachAgent(ctx, func(p chat.Profile, load int) { out = append(out, p.Info(load)) })
	return out, err
}

// EachAgent calls f with every known agent and its load.
func (ps *People) EachAgent(ctx context.Context, f func(p chat.Profile, load int)) error {
	for _, part := range ps.store.Parts {
		ids, err := ps.store.Redis.SMembers(ctx, part.Agents()).Result()
		if err != nil {
			return store.RedisError("agents", err)
		}
		fields := make([]*redis.MapStringStringCmd, len(ids))
		loads := make([]*redis.IntCmd, len(ids))
		if len(ids) == 0 {
			continue
		}
		_, err = ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range ids {
				fields[i], loads[i] = pipe.HGetAll(ctx, part.Profile("a:"+id)), pipe.HLen(ctx, part.Load(id))
			}
			return nil
		})
		if err != nil {
			return store.RedisError("agents", err)
		}
		for i, id := range ids {
			f(chat.ParseProfile(id, fields[i].Val()), int(loads[i].Val()))
		}
	}
	return nil
}

// SetAgent sets an agent's queues and capacity, which from then on come before
// its token's; those left out stay as they are. Disabling closes its connections with 4005.
func (ps *People) SetAgent(ctx context.Context, id string, s chat.AgentSettings) (chat.AgentInfo, error) {
	args := agentArgs{Who: chat.Who(chat.RoleAgent, id), Agent: id, Capacity: s.Capacity, Disabled: s.Disabled}
	if s.Queues != nil {
		args.Queues = chat.Encode(s.Queues)
	}
	if err := chat.NormalizeStaff(&s.Queues, &s.Capacity); err != nil {
		return chat.AgentInfo{}, err
	}
	args.Defaults.Queues, args.Defaults.Capacity = chat.Encode([]string{chat.DefaultQueueID}), chat.DefaultCapacity
	p := ps.store.Home(id)
	r, err := ps.store.RunJSON(ctx, "agent", []string{p.Profile(args.Who), p.Load(id), p.Agents(), p.Named(), p.Dirty(), p.Stats(),
		p.Crews(), p.Presences()}, args,
		p.Waiting("")) // watchers are shown its capacity
	if err != nil {
		return chat.AgentInfo{}, err
	}
	var fields chat.Flat
	if err := json.Unmarshal([]byte(r.Str(1)), &fields); err != nil {
		return chat.AgentInfo{}, err
	}
	return chat.ParseProfile(id, fields).Info(int(r.Num(2))), nil
}

type agentArgs struct {
	Who      string `json:"who"`
	Agent    string `json:"agent"`
	Queues   string `json:"queues,omitempty"` // JSON
	Capacity int    `json:"capacity"`
	Disabled bool   `json:"disabled,omitempty"`
	Defaults struct {
		Queues   string `json:"queues"`
		Capacity int    `json:"capacity"`
	} `json:"defaults"`
}

// SetStatus is what an agent says of itself. Only Online gets offers.
func (ps *People) SetStatus(ctx context.Context, agent string, s chat.Status) (chat.StatusReply, error) {
	r, err := ps.status(ctx, agent, s, false)
	if err != nil {
		return chat.StatusReply{}, err
	}
	return chat.StatusReply{Status: chat.Status(r.Str(1)), Capacity: int(r.Num(2)), Load: int(r.Num(3))}, store.Refused(r)
}

// Gone has an agent whose grace is over be offline, unless it is connected. It is not sure
// while the nodes may not have told yet who is connected: then it is to be asked again.
func (ps *People) Gone(ctx context.Context, agent string) (gone, sure bool, err error) {
	r, err := ps.status(ctx, agent, chat.Offline, true)
	if err != nil {
		return false, false, err
	}
	switch r.Str(0) {
	case "back":
		return false, true, nil
	case "early":
		return false, false, nil
	}
	return true, true, store.Refused(r)
}

func (ps *People) status(ctx context.Context, agent string, s chat.Status, gone bool) (store.Reply, error) {
	part := ps.store.Home(agent)
	return ps.store.RunJSON(ctx, "status", []string{part.Profile("a:" + agent), part.Load(agent), part.Conns("a:" + agent),
		part.Dirty(), part.Epoch(), part.Stats(), part.Presences()},
		struct {
			Agent  string      `json:"agent"`
			Status chat.Status `json:"status"`
			Gone   bool        `json:"gone,omitempty"`
		}{agent, s, gone}, part.Waiting(""))
}
