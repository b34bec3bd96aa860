package places

import (
	"context"
	"encoding/json"

	"bellhop/broker/internal/store"
)

// Effect is what an agent's partition must learn of a session's. Scripts write most of them.
type Effect struct {
	Agent   string `json:"agent"`
	Session string `json:"session"`
	Rev     int64  `json:"rev"`
	Role    string `json:"role"`
	Token   string `json:"token"`
	Hold    bool   `json:"hold"` // the place that the token took stays taken
	Created int64  `json:"created,omitempty"`
	Ended   bool   `json:"ended"`
	Sure    bool   `json:"sure,omitempty"` // Rev may be lower than known
}

// Settle carries one effect out in the agent's partition. It may run any number of times.
func (p *Places) Settle(ctx context.Context, e Effect) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return p.settle(ctx, e.Agent, string(data))
}

func (p *Places) settle(ctx context.Context, agent, effect string) error {
	home, w := p.store.Home(agent), "a:"+agent
	_, err := p.store.Run(ctx, "settle", []string{home.Profile(w), home.Load(agent), home.Mine(w), home.Listed(w), home.Timers(), home.Stats(),
		home.Presences()},
		effect, home.Waiting(""))
	return err
}

// Carry settles an effect of the outbox; false if it should be tried again.
func (p *Places) Carry(ctx context.Context, effect string) bool {
	var e Effect
	if err := json.Unmarshal([]byte(effect), &e); err != nil {
		p.store.Log.Error("unreadable effect", "error", err)
		return true
	}
	if err := p.settle(ctx, e.Agent, effect); err != nil {
		p.store.Log.Warn("effect not settled; it stays in the outbox", "agent", e.Agent, "session", e.Session, "error", err)
		return false
	}
	return true
}

// CarryOut settles what a session's partition owes; it goes off the outbox soon after.
// What fails stays there, and some node does it within seconds.
func (p *Places) CarryOut(ctx context.Context, part store.Partition, effects []string) {
	var settled []string
	for _, effect := range effects {
		if p.Carry(ctx, effect) {
			settled = append(settled, effect)
		}
	}
	if len(settled) == 0 {
		return
	}
	p.store.DoneSoon(part.Outbox(), settled...)
}
