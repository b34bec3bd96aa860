package broker

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

func (b *Broker) profile(ctx context.Context, role chat.Role, id string) (chat.Profile, error) {
	f, err := b.Pipe.HGetAll(ctx, b.Home(id).Profile(chat.Who(role, id))).Result()
	if err != nil {
		return chat.Profile{}, store.RedisError("profile", err)
	}
	return chat.ParseProfile(id, f), nil
}

// introduce makes an agent known, with its token's queues and capacity unless they
// were set, or it is connected with another token.
func (b *Broker) introduce(ctx context.Context, id chat.Identity) error {
	w, p := chat.Who(id.Role, id.ID), b.Home(id.ID)
	r, err := b.RunJSON(ctx, "introduce", []string{p.Profile(w), p.Conns(w), p.Agents(), p.Named(), p.Dirty()}, struct {
		Who      string `json:"who"`
		Agent    string `json:"agent"`
		Info     string `json:"info"`
		Queues   string `json:"queues"`
		Capacity int    `json:"capacity"`
	}{w, id.ID, chat.Encode(id.Person()), chat.Encode(id.Queues), id.Capacity})
	if err != nil {
		return err
	}
	return store.Refused(r)
}

// AgentActor is an actor for a host application that acts as a known agent.
func (b *Broker) AgentActor(ctx context.Context, id string) (chat.Actor, error) {
	if err := chat.ValidID("agent", id); err != nil {
		return chat.Actor{}, err
	}
	p, err := b.profile(ctx, chat.RoleAgent, id)
	if err != nil {
		return chat.Actor{}, err
	}
	if !p.Known {
		return chat.Actor{}, chat.Errorf(chat.CodeNotFound, "no such agent")
	}
	return chat.Actor{Host: true, Identity: chat.Identity{Role: chat.RoleAgent, ID: id, Name: p.Name, Avatar: p.Avatar, Queues: p.Queues,
		Capacity: p.Capacity}}, nil
}

// Agent shows one agent; its own, or any to host applications and supervisors.
func (b *Broker) Agent(ctx context.Context, a chat.Actor, id string) (chat.AgentInfo, error) {
	if err := chat.ValidID("id", id); err != nil {
		return chat.AgentInfo{}, err
	}
	is := a.Relations()
	if is&chat.AnyStaff != 0 && a.ID == id {
		is |= chat.Myself
	}
	if chat.Table[chat.ActAgent].Verdict(is) != "" {
		return chat.AgentInfo{}, chat.Errorf(chat.CodeForbidden, "only host applications, supervisors, and the agent itself may")
	}
	p, load, err := b.agent(ctx, id)
	if err != nil {
		return chat.AgentInfo{}, err
	}
	if !p.Known {
		return chat.AgentInfo{}, chat.Errorf(chat.CodeNotFound, "no such agent")
	}
	return p.Info(load), nil
}

func (b *Broker) agent(ctx context.Context, id string) (chat.Profile, int, error) {
	part := b.Home(id)
	var fields *redis.MapStringStringCmd
	var load *redis.IntCmd
	_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HGetAll(ctx, part.Profile("a:"+id))
		load = pipe.HLen(ctx, part.Load(id))
		return nil
	})
	if err != nil {
		return chat.Profile{}, 0, store.RedisError("agent", err)
	}
	return chat.ParseProfile(id, fields.Val()), int(load.Val()), nil
}

// AgentList shows all known agents to any agent: they are whom one transfers to.
func (b *Broker) AgentList(ctx context.Context, a chat.Actor) ([]chat.AgentInfo, error) {
	if err := chat.Allow(a, chat.ActAgents); err != nil {
		return nil, err
	}
	return b.allAgents(ctx)
}

func (b *Broker) allAgents(ctx context.Context) ([]chat.AgentInfo, error) {
	out := []chat.AgentInfo{}
	err := b.eachAgent(ctx, func(p chat.Profile, load int) { out = append(out, p.Info(load)) })
	return out, err
}

// eachAgent calls f with every known agent and its load.
func (b *Broker) eachAgent(ctx context.Context, f func(p chat.Profile, load int)) error {
	for _, part := range b.Parts {
		ids, err := b.Redis.SMembers(ctx, part.Agents()).Result()
		if err != nil {
			return store.RedisError("agents", err)
		}
		fields := make([]*redis.MapStringStringCmd, len(ids))
		loads := make([]*redis.IntCmd, len(ids))
		if len(ids) == 0 {
			continue
		}
		_, err = b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
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

// PutAgent sets an agent's queues and capacity, which from then on come before
// its token's; those left out stay as they are. Disabling closes its connections with 4005.
func (b *Broker) PutAgent(ctx context.Context, a chat.Actor, id string, s chat.AgentSettings) (chat.AgentInfo, error) {
	if err := chat.Allow(a, chat.ActSetAgent); err != nil {
		return chat.AgentInfo{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return chat.AgentInfo{}, err
	}
	args := agentArgs{Who: chat.Who(chat.RoleAgent, id), Agent: id, Capacity: s.Capacity, Disabled: s.Disabled}
	if s.Queues != nil {
		args.Queues = chat.Encode(s.Queues)
	}
	if err := chat.NormalizeStaff(&s.Queues, &s.Capacity); err != nil {
		return chat.AgentInfo{}, err
	}
	args.Defaults.Queues, args.Defaults.Capacity = chat.Encode([]string{chat.DefaultQueueID}), chat.DefaultCapacity
	p := b.Home(id)
	r, err := b.RunJSON(ctx, "agent", []string{p.Profile(args.Who), p.Load(id), p.Agents(), p.Named(), p.Dirty(), p.Stats()}, args,
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
func (b *Broker) SetStatus(ctx context.Context, a chat.Actor, s chat.Status) (chat.StatusReply, error) {
	if err := chat.Allow(a, chat.ActStatus); err != nil {
		return chat.StatusReply{}, err
	}
	if s != chat.Online && s != chat.Away && s != chat.Offline {
		return chat.StatusReply{}, chat.Errorf(chat.CodeBadRequest, "status: online, away or offline")
	}
	return b.setStatus(ctx, a.ID, s, false)
}

func (b *Broker) setStatus(ctx context.Context, agent string, s chat.Status, gone bool) (chat.StatusReply, error) {
	part := b.Home(agent)
	r, err := b.RunJSON(ctx, "status", []string{part.Profile("a:" + agent), part.Load(agent), part.Conns("a:" + agent),
		part.Dirty(), part.Epoch(), part.Stats()},
		struct {
			Agent  string      `json:"agent"`
			Status chat.Status `json:"status"`
			Gone   bool        `json:"gone,omitempty"`
		}{agent, s, gone}, part.Waiting(""))
	if err != nil {
		return chat.StatusReply{}, err
	}
	switch r.Str(0) {
	case "back":
		return chat.StatusReply{Status: chat.Online}, nil
	case "early":
		return chat.StatusReply{}, errAgain
	}
	return chat.StatusReply{Status: chat.Status(r.Str(1)), Capacity: int(r.Num(2)), Load: int(r.Num(3))}, store.Refused(r)
}
