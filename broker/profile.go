package broker

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// profile is what Redis knows of a participant besides its sessions.
type profile struct {
	Person
	queues     []string
	capacity   int
	status     Status
	revoked    int64 // ms
	generation int64 // how often it was revoked
	set        bool  // queues and capacity by PUT /agents, not by the token
	disabled   bool
	blocked    bool
	reason     string // why it is blocked
	known      bool
	granted    int   // the capacity when a place was last taken
	idleAt     int64 // ms: since when nothing has come to it or gone from it
}

func (b *Broker) profile(ctx context.Context, role Role, id string) (profile, error) {
	f, err := b.pipe.HGetAll(ctx, b.home(id).profile(who(role, id))).Result()
	if err != nil {
		return profile{}, redisError("profile", err)
	}
	return parseProfile(id, f), nil
}

func parseProfile(id string, f map[string]string) profile {
	p := profile{Person: *person(f["info"], id), status: Status(f["status"]), set: f["set"] != "",
		disabled: f["disabled"] != "", blocked: f["blocked"] != "", reason: f["blocked_reason"], known: f["info"] != "" || f["set"] != ""}
	_ = json.Unmarshal([]byte(f["queues"]), &p.queues) // absent: none
	p.capacity, _ = strconv.Atoi(f["capacity"])
	p.revoked, _ = strconv.ParseInt(f["revoked"], 10, 64)
	p.generation, _ = strconv.ParseInt(f["generation"], 10, 64)
	p.granted, _ = strconv.Atoi(f["granted"])
	p.idleAt, _ = strconv.ParseInt(f["idle_at"], 10, 64)
	if p.status == "" {
		p.status = Offline
	}
	return p
}

// introduce makes an agent known, with its token's queues and capacity unless they
// were set, or it is connected with another token.
func (b *Broker) introduce(ctx context.Context, id Identity) error {
	w, p := who(id.Role, id.ID), b.home(id.ID)
	r, err := b.runJSON(ctx, "introduce", []string{p.profile(w), p.conns(w), p.agents(), p.named(), p.dirty()}, struct {
		Who      string `json:"who"`
		Agent    string `json:"agent"`
		Info     string `json:"info"`
		Queues   string `json:"queues"`
		Capacity int    `json:"capacity"`
	}{w, id.ID, encode(id.Person()), encode(id.Queues), id.Capacity})
	if err != nil {
		return err
	}
	return refusal(r)
}

// AgentActor is an actor for a host application that acts as a known agent.
func (b *Broker) AgentActor(ctx context.Context, id string) (Actor, error) {
	if err := validID("agent", id); err != nil {
		return Actor{}, err
	}
	p, err := b.profile(ctx, RoleAgent, id)
	if err != nil {
		return Actor{}, err
	}
	if !p.known {
		return Actor{}, Errorf(CodeNotFound, "no such agent")
	}
	return Actor{Host: true, Identity: Identity{Role: RoleAgent, ID: id, Name: p.Name, Avatar: p.Avatar, Queues: p.queues,
		Capacity: p.capacity}}, nil
}

// Agent shows one agent; its own, or any to host applications and supervisors.
func (b *Broker) Agent(ctx context.Context, a Actor, id string) (AgentInfo, error) {
	if err := validID("id", id); err != nil {
		return AgentInfo{}, err
	}
	is := a.relations()
	if is&AnyStaff != 0 && a.ID == id {
		is |= Myself
	}
	if table[ActAgent].Verdict(is) != "" {
		return AgentInfo{}, Errorf(CodeForbidden, "only host applications, supervisors, and the agent itself may")
	}
	p, load, err := b.agent(ctx, id)
	if err != nil {
		return AgentInfo{}, err
	}
	if !p.known {
		return AgentInfo{}, Errorf(CodeNotFound, "no such agent")
	}
	return info(p, load), nil
}

func info(p profile, load int) AgentInfo {
	queues := p.queues
	if queues == nil {
		queues = []string{}
	}
	return AgentInfo{Person: p.Person, AgentSettings: AgentSettings{Queues: queues, Capacity: p.capacity,
		Disabled: p.disabled}, Status: p.status, Load: load}
}

func (b *Broker) agent(ctx context.Context, id string) (profile, int, error) {
	part := b.home(id)
	var fields *redis.MapStringStringCmd
	var load *redis.IntCmd
	_, err := b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HGetAll(ctx, part.profile("a:"+id))
		load = pipe.HLen(ctx, part.load(id))
		return nil
	})
	if err != nil {
		return profile{}, 0, redisError("agent", err)
	}
	return parseProfile(id, fields.Val()), int(load.Val()), nil
}

// AgentList shows all known agents to any agent: they are whom one transfers to.
func (b *Broker) AgentList(ctx context.Context, a Actor) ([]AgentInfo, error) {
	if err := Allow(a, ActAgents); err != nil {
		return nil, err
	}
	return b.allAgents(ctx)
}

func (b *Broker) allAgents(ctx context.Context) ([]AgentInfo, error) {
	out := []AgentInfo{}
	err := b.eachAgent(ctx, func(p profile, load int) { out = append(out, info(p, load)) })
	return out, err
}

// eachAgent calls f with every known agent and its load.
func (b *Broker) eachAgent(ctx context.Context, f func(p profile, load int)) error {
	for _, part := range b.parts {
		ids, err := b.rdb.SMembers(ctx, part.agents()).Result()
		if err != nil {
			return redisError("agents", err)
		}
		fields := make([]*redis.MapStringStringCmd, len(ids))
		loads := make([]*redis.IntCmd, len(ids))
		if len(ids) == 0 {
			continue
		}
		_, err = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range ids {
				fields[i], loads[i] = pipe.HGetAll(ctx, part.profile("a:"+id)), pipe.HLen(ctx, part.load(id))
			}
			return nil
		})
		if err != nil {
			return redisError("agents", err)
		}
		for i, id := range ids {
			f(parseProfile(id, fields[i].Val()), int(loads[i].Val()))
		}
	}
	return nil
}

// PutAgent sets an agent's queues and capacity, which from then on come before
// its token's; those left out stay as they are. Disabling closes its connections with 4005.
func (b *Broker) PutAgent(ctx context.Context, a Actor, id string, s AgentSettings) (AgentInfo, error) {
	if err := Allow(a, ActSetAgent); err != nil {
		return AgentInfo{}, err
	}
	if err := validID("id", id); err != nil {
		return AgentInfo{}, err
	}
	args := agentArgs{Who: who(RoleAgent, id), Agent: id, Capacity: s.Capacity, Disabled: s.Disabled}
	if s.Queues != nil {
		args.Queues = encode(s.Queues)
	}
	if err := normalizeStaff(&s.Queues, &s.Capacity); err != nil {
		return AgentInfo{}, err
	}
	args.Defaults.Queues, args.Defaults.Capacity = encode([]string{DefaultQueueID}), DefaultCapacity
	p := b.home(id)
	r, err := b.runJSON(ctx, "agent", []string{p.profile(args.Who), p.load(id), p.agents(), p.named(), p.dirty(), p.stats()}, args,
		p.waiting("")) // watchers are shown its capacity
	if err != nil {
		return AgentInfo{}, err
	}
	var fields flat
	if err := json.Unmarshal([]byte(r.str(1)), &fields); err != nil {
		return AgentInfo{}, err
	}
	return info(parseProfile(id, fields), int(r.num(2))), nil
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
func (b *Broker) SetStatus(ctx context.Context, a Actor, s Status) (StatusReply, error) {
	if err := Allow(a, ActStatus); err != nil {
		return StatusReply{}, err
	}
	if s != Online && s != Away && s != Offline {
		return StatusReply{}, Errorf(CodeBadRequest, "status: online, away or offline")
	}
	return b.setStatus(ctx, a.ID, s, false)
}

func (b *Broker) setStatus(ctx context.Context, agent string, s Status, gone bool) (StatusReply, error) {
	part := b.home(agent)
	r, err := b.runJSON(ctx, "status", []string{part.profile("a:" + agent), part.load(agent), part.conns("a:" + agent),
		part.dirty(), part.epoch(), part.stats()},
		struct {
			Agent  string `json:"agent"`
			Status Status `json:"status"`
			Gone   bool   `json:"gone,omitempty"`
		}{agent, s, gone}, part.waiting(""))
	if err != nil {
		return StatusReply{}, err
	}
	switch r.str(0) {
	case "back":
		return StatusReply{Status: Online}, nil
	case "early":
		return StatusReply{}, errAgain
	}
	return StatusReply{Status(r.str(1)), int(r.num(2)), int(r.num(3))}, refusal(r)
}
