package places

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Rectified counts what a comparison put right.
type Rectified struct {
	Places  atomic.Int64 // given to, or taken from, agents' loads
	Vacated atomic.Int64 // sessions that wait again, since their agents had no room
}

// Rectifications is how many places this node gave to, or took from, agents' loads by comparing.
func (p *Places) Rectifications() int64 { return p.rectified.Load() }

// Rectify makes an agent's load and its list of sessions what a session says, if
// they are not. Where there is no room for what it owns, the session waits again.
func (p *Places) Rectify(ctx context.Context, agent, session string, n *Rectified) error {
	for try := range 5 {
		// The place first: what changes after the session was read changes the place, too, and that is seen.
		was, err := p.place(ctx, agent, session)
		if err != nil {
			return err
		}
		st, fields, err := p.look(ctx, session)
		if err != nil {
			return err
		}
		role, token := roleOf(st, fields, agent)
		changed, full, err := p.rectifyPlace(ctx, agent, session, was, token)
		if err != nil {
			return err
		}
		if full && try == 0 {
			if err := p.rectifyOthers(ctx, agent, session, n); err != nil {
				return err
			}
			continue
		}
		if full {
			n.Vacated.Add(1)
			// Both its owner and its capacity cannot be kept. The session waits again, ahead of its queue.
			p.store.Log.Warn("an agent has no room for a session that it owned before Redis fell back; it waits again", "agent", agent, "session", session)
			return p.vacate(ctx, agent, session)
		}
		listed, err := p.rectifyList(ctx, st, agent, session, role)
		if err != nil {
			return err
		}
		if changed {
			n.Places.Add(1)
			p.rectified.Add(1)
		}
		if !changed && !listed {
			return nil // as it was seen
		}
	}
	return nil // it changes all the time: its own effects go on
}

// rectifyOthers takes away what an agent without room holds for nothing.
func (p *Places) rectifyOthers(ctx context.Context, agent, but string, n *Rectified) error {
	held, err := p.Held(ctx, agent)
	if err != nil {
		return err
	}
	for _, s := range held {
		if s == but {
			continue
		}
		was, err := p.place(ctx, agent, s)
		if err != nil {
			return err
		}
		st, fields, err := p.look(ctx, s)
		if err != nil {
			return err
		}
		if _, token := roleOf(st, fields, agent); token == "" {
			changed, _, err := p.rectifyPlace(ctx, agent, s, was, "")
			if err != nil {
				return err
			}
			if changed {
				n.Places.Add(1)
				p.rectified.Add(1)
			}
		}
	}
	return nil
}

// place is what an agent's load says of a session; "" where it is not there.
func (p *Places) place(ctx context.Context, agent, session string) (string, error) {
	is, err := p.store.Pipe.HGet(ctx, p.store.Home(agent).Load(agent), session).Result()
	if err != nil && !store.IsNil(err) {
		return "", store.RedisError("load", err)
	}
	return is, nil
}

// look reads a session in Redis; nil where it is not there.
func (p *Places) look(ctx context.Context, session string) (*chat.Snapshot, chat.Flat, error) {
	home, ok := p.store.Of(session)
	if !ok {
		return nil, nil, nil
	}
	r, err := p.store.Run(ctx, "look", home.Looked(session))
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

// rectifyArgs is what rectify.lua is told.
type rectifyArgs struct {
	Agent   string `json:"agent"`
	Session string `json:"session"`
	Was     string `json:"was"`
	Token   string `json:"token"`
}

// rectifyPlace gives or takes a place where the load is not as the session says.
func (p *Places) rectifyPlace(ctx context.Context, agent, session, was, token string) (changed, full bool, err error) {
	held, until, _ := strings.Cut(was, "|")
	switch {
	case was == "" && token == "", until == "held" && held == token:
		return false, false, nil
	case was != "" && until != "held" && held >= token:
		return false, false, nil // reserved just now, or its timer asks
	}
	home, w := p.store.Home(agent), "a:"+agent
	r, err := p.store.RunJSON(ctx, "rectify", []string{home.Profile(w), home.Load(agent), home.Timers(), home.Stats(), home.Presences()},
		rectifyArgs{agent, session, was, token}, home.Waiting(""))
	if err != nil {
		return false, false, err
	}
	return r.Str(0) == "ok" || r.Str(0) == "moved", r.Str(0) == "full", nil
}

// rectifyList tells an agent's partition what the agent is to the session, where it knows it otherwise.
func (p *Places) rectifyList(ctx context.Context, st *chat.Snapshot, agent, session, role string) (bool, error) {
	home, w := p.store.Home(agent), "a:"+agent
	is, err := p.store.Pipe.HGet(ctx, home.Mine(w), session).Result()
	if err != nil && !store.IsNil(err) {
		return false, store.RedisError("mine", err)
	}
	over := role == "none" || role == "past" || st != nil && st.State == chat.Ended
	parts := strings.Split(is, "|") // rev, role, since when it is over
	rev, _ := strconv.ParseInt(parts[0], 10, 64)
	switch {
	case is == "" && (role == "none" || role == "past"):
		return false, nil
	case len(parts) != 3 || parts[1] != role || (parts[2] != "0") != over:
	case st == nil || rev <= st.Rev: // a higher one is of what was lost, and would hide what comes
		return false, nil
	}
	e := Effect{Agent: agent, Session: session, Rev: 1, Role: role, Sure: true, Created: store.Created(session, 0)}
	if st != nil {
		e.Rev, e.Ended = st.Rev, st.State == chat.Ended
	}
	return true, p.Settle(ctx, e)
}
