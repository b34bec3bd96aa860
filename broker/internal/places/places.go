// Package places keeps the places of agents: how many sessions each holds, never more
// than its capacity. A place is reserved in the agent's partition before a session is
// offered to it or becomes its own in the session's; what the session's partition then
// decided comes back as an effect and settles the place. Whatever is lost between the
// two, the place's timer finds out, or a comparison does: the session is the truth.
//
// Its keys are `load` (an agent's places), `mine` and `listed` (its sessions, as far as
// agents' are told) and `outbox` (effects that are owed); its scripts reserve, place,
// resolve, settle and rectify. It runs no loop and has no lock.
package places

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// TTL is how long a reserved place waits for its claim or offer, by the clock
// of the agent's partition alone. Then it is fenced off and given back: see resolve.lua.
const TTL = 5 * time.Second

// Places are those of all agents.
type Places struct {
	store     *store.Store
	vacate    func(ctx context.Context, agent, session string) error
	rectified atomic.Int64
}

// New needs a way to take an agent out of a session for which it has no room.
func New(s *store.Store, vacate func(ctx context.Context, agent, session string) error) *Places {
	return &Places{store: s, vacate: vacate}
}

// Place is a reserved one, as a session's partition is told of it.
type Place struct {
	Agent  string   `json:"agent"`
	Info   string   `json:"info"` // the agent as a Person, JSON
	Token  string   `json:"token"`
	Queues []string `json:"queues"`
}

// Only is under which conditions a place is reserved.
type Only struct {
	Online bool   `json:"offer,omitempty"`
	Queue  string `json:"queue,omitempty"` // if it is the agent's
	Load   *int   `json:"load,omitempty"`  // if the agent has no more than this
}

// reserveArgs is what reserve.lua is told.
type reserveArgs struct {
	Agent   string `json:"agent"`
	Session string `json:"session"`
	Token   string `json:"token"`
	TTL     int64  `json:"ttl"` // ms
	Only
	Capacity int    `json:"capacity"`
	Queues   string `json:"queues"` // JSON
	Info     string `json:"info"`
}

// Reserve holds a place in an agent's load. What the identity says counts for an agent whom nobody knows.
func (p *Places) Reserve(ctx context.Context, agent chat.Identity, session string, only Only) (Place, error) {
	if agent.Capacity == 0 {
		agent.Capacity = chat.DefaultCapacity
	}
	if agent.Queues == nil {
		agent.Queues = []string{}
	}
	home := p.store.Home(agent.ID)
	r, err := p.store.RunJSON(ctx, "reserve", []string{home.Profile("a:" + agent.ID), home.Load(agent.ID), home.Timers()},
		reserveArgs{agent.ID, session, ulid.Make().String(), TTL.Milliseconds(), only, agent.Capacity,
			chat.Encode(agent.Queues), chat.Encode(agent.Person())})
	if err != nil {
		return Place{}, err
	}
	if err := store.Refused(r); err != nil {
		return Place{}, err
	}
	pl := Place{Agent: agent.ID, Info: r.Str(2), Token: r.Str(3)}
	if err := json.Unmarshal([]byte(r.Str(1)), &pl.Queues); err != nil {
		return Place{}, err
	}
	return pl, nil
}

// Held are the sessions for which an agent holds a place.
func (p *Places) Held(ctx context.Context, agent string) ([]string, error) {
	held, err := p.store.Pipe.HKeys(ctx, p.store.Home(agent).Load(agent)).Result()
	return held, store.RedisError("load", err)
}

// Brought reads what a script replied that was brought a reserved place. A place that
// is not needed is given back; where the session is the agent's all the same, it is adopted.
func (p *Places) Brought(ctx context.Context, pl Place, session string, r store.Reply) (store.Reply, error) {
	switch r.Str(0) {
	case "kept":
		p.adopt(ctx, pl.Agent, session)
		return nil, store.Refused(r[1:])
	case "mine":
		p.adopt(ctx, pl.Agent, session)
		r[0] = "ok"
		return r, nil
	}
	if r.Str(0) == "stale" {
		p.giveUp(ctx, pl, session)
		return nil, store.ErrLate
	}
	err := store.Refused(r)
	if err != nil {
		p.Free(ctx, pl, session)
	}
	return r, err
}

// giveUp is for a place of which the session's partition has not been asked: the reservation may have taken
// over the place of an owner or target, so it tells, as for a place whose time is up.
func (p *Places) giveUp(ctx context.Context, pl Place, session string) {
	home, _ := p.store.Of(session)
	r, err := p.store.Run(ctx, "resolve", []string{home.Session(session)}, pl.Agent, pl.Token, "1")
	if err == nil {
		err = p.resolved(ctx, pl.Agent, session, pl.Token, r)
	}
	if err != nil {
		p.store.Log.Warn("place not given up; its timer will", "agent", pl.Agent, "session", session, "error", err)
	}
}

// Free gives a place back that is not needed, nor the session's. If that fails, its own timer does it.
func (p *Places) Free(ctx context.Context, pl Place, session string) {
	err := p.Settle(ctx, Effect{Agent: pl.Agent, Session: session, Role: "none", Token: pl.Token})
	if err != nil {
		p.store.Log.Warn("place not freed; its timer will", "agent", pl.Agent, "session", session, "error", err)
	}
}

// adopt makes an owner's or target's session and the agent's load name the same
// token again, after a reservation that was for nothing. If that fails, the
// place's timer does it.
func (p *Places) adopt(ctx context.Context, agent, session string) {
	if err := p.resolve(ctx, p.store.Home(agent), agent, session, true); err != nil {
		p.store.Log.Warn("place not adopted; its timer will", "agent", agent, "session", session, "error", err)
	}
}

// Due carries out a place's timer: it finds out what became of a place that was
// reserved and never settled.
func (p *Places) Due(ctx context.Context, part store.Partition, agent, session string) error {
	return p.resolve(ctx, part, agent, session, false)
}

// resolve does so at any time. remind: where that cannot be said yet, its timer asks again soon.
func (p *Places) resolve(ctx context.Context, part store.Partition, agent, session string, remind bool) error {
	again := ""
	if remind {
		again = "1"
	}
	r, err := p.store.Run(ctx, "place", []string{part.Load(agent), part.Timers()}, agent, session, again)
	if err != nil {
		return err
	}
	token, is := r.Str(0), r.Str(1)
	switch {
	case token == "" || is == "held":
		return nil
	case is == "early" && !remind:
		return store.ErrAgain // reserved anew since the timer was set
	}
	home, ok := p.store.Of(session)
	if !ok {
		return p.Settle(ctx, Effect{Agent: agent, Session: session, Role: "none", Token: token})
	}
	due := ""
	if is == "due" {
		due = "1"
	}
	if r, err = p.store.Run(ctx, "resolve", []string{home.Session(session)}, agent, token, due); err != nil || r.Str(0) == "later" {
		return err // then its timer asks
	}
	return p.resolved(ctx, agent, session, token, r)
}

// resolved tells the agent's partition what the session's said of a place.
func (p *Places) resolved(ctx context.Context, agent, session, token string, r store.Reply) error {
	return p.Settle(ctx, Effect{Agent: agent, Session: session, Rev: r.Num(1), Role: r.Str(0), Token: token,
		Hold: r.Num(2) == 1, Ended: r.Num(3) == 1, Created: store.Created(session, 0)})
}
