package broker

import (
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/store"
)

// IssueToken makes an opaque token for an identity; ttl 0 means 24 hours. An
// agent's profile is known from then on.
func (b *Broker) IssueToken(ctx context.Context, id chat.Identity, ttl time.Duration) (string, time.Time, error) {
	return b.people.Issue(ctx, id, ttl)
}

// Authenticate finds whom a token speaks for. CodeUnauthorized: no such token,
// expired or revoked; CodeUnavailable: Redis is away.
func (b *Broker) Authenticate(ctx context.Context, token string) (chat.Identity, error) {
	return b.people.Authenticate(ctx, token)
}

// RevokeToken ends one token, and its connections on every node within two seconds.
func (b *Broker) RevokeToken(ctx context.Context, token string) error {
	return b.people.Revoke(ctx, token)
}

// RevokeParticipant ends all of a participant's tokens, JWTs issued before now included.
// With JWTs it answers once the second is over in which it was asked: whoever logs in
// afterwards gets one that works.
func (b *Broker) RevokeParticipant(ctx context.Context, role chat.Role, id string) error {
	return b.people.RevokeAll(ctx, role, id)
}

// AgentActor is an actor for a host application that acts as a known agent.
func (b *Broker) AgentActor(ctx context.Context, id string) (chat.Actor, error) {
	if err := chat.ValidID("agent", id); err != nil {
		return chat.Actor{}, err
	}
	p, err := b.people.Profile(ctx, chat.RoleAgent, id)
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
	p, load, err := b.people.Agent(ctx, id)
	if err != nil {
		return chat.AgentInfo{}, err
	}
	if !p.Known {
		return chat.AgentInfo{}, chat.Errorf(chat.CodeNotFound, "no such agent")
	}
	return p.Info(load), nil
}

// AgentList shows all known agents to any agent: they are whom one transfers to.
func (b *Broker) AgentList(ctx context.Context, a chat.Actor) ([]chat.AgentInfo, error) {
	if err := chat.Allow(a, chat.ActAgents); err != nil {
		return nil, err
	}
	return b.people.Agents(ctx)
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
	return b.people.SetAgent(ctx, id, s)
}

// SetStatus is what an agent says of itself. Only Online gets offers.
func (b *Broker) SetStatus(ctx context.Context, a chat.Actor, s chat.Status) (chat.StatusReply, error) {
	if err := chat.Allow(a, chat.ActStatus); err != nil {
		return chat.StatusReply{}, err
	}
	if s != chat.Online && s != chat.Away && s != chat.Offline {
		return chat.StatusReply{}, chat.Errorf(chat.CodeBadRequest, "status: online, away or offline")
	}
	return b.people.SetStatus(ctx, a.ID, s)
}

// AllowList counts one list that a participant asks for, at this node: 20 a
// second, bursts of 100. It is to be asked before the list is, and answers
// CodeRateLimited with the time to wait beyond that. Host applications have no limit.
func (b *Broker) AllowList(a chat.Actor) error { return b.limits.AllowList(a) }

// AllowRead counts bytes against what a participant may read at this node, over
// all its connections and requests: staff 2 MiB a second, users a quarter of that,
// bursts of eight seconds' worth. It is to be asked before anything is read, with what the
// asking itself costs; what is delivered then is counted by HasRead, however much
// it is, and the next has to wait for it. CodeRateLimited: nothing is left, with
// the time until there is. Host applications have no limit.
func (b *Broker) AllowRead(a chat.Actor, bytes int) error { return b.limits.AllowRead(a, bytes) }

// HasRead counts what was delivered after AllowRead.
func (b *Broker) HasRead(a chat.Actor, bytes int) { b.limits.HasRead(a, bytes) }

// bounds are how much a user may begin.
type bounds = people.Bounds

// bounded runs a script by which a session of a user's begins to wait in a queue.
func (b *Broker) bounded(ctx context.Context, a chat.Actor, script string, p store.Partition, queue string, keys []string, arg func(bounds) any) (store.Reply, error) {
	return b.people.Bounded(ctx, a, p, queue, func(bound bounds) (store.Reply, error) {
		return b.ruled(ctx, script, p, keys, func() any { return arg(bound) })
	})
}
