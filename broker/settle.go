package broker

import (
	"context"
	"encoding/json"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// effect is what an agent's partition must learn of a session's.
type effect struct {
	Agent   string          `json:"agent"`
	Session string          `json:"session"`
	Rev     int64           `json:"rev"`
	Role    string          `json:"role"`
	Token   string          `json:"token"`
	Hold    bool            `json:"hold"`
	Created int64           `json:"created,omitempty"`
	Ended   bool            `json:"ended"`
	Sure    bool            `json:"sure,omitempty"`
	Extra   json.RawMessage `json:"extra,omitempty"`
}

// settle carries one effect out in the agent's partition. It may run any number of times.
func (b *Broker) settle(ctx context.Context, e effect) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return b.settleRaw(ctx, e.Agent, string(data))
}

func (b *Broker) settleRaw(ctx context.Context, agent, data string) error {
	p, w := b.Home(agent), "a:"+agent
	_, err := b.Run(ctx, "settle", []string{p.Profile(w), p.Load(agent), p.Mine(w), p.Listed(w), p.Timers(), p.Stats()}, data,
		p.Waiting(""))
	return err
}

// carry settles one effect; false if it should be tried again.
func (b *Broker) carry(ctx context.Context, data string) bool {
	var e effect
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		b.Log.Error("unreadable effect", "error", err)
		return true
	}
	if err := b.settleRaw(ctx, e.Agent, data); err != nil {
		b.Log.Warn("effect not settled; it stays in the outbox", "agent", e.Agent, "session", e.Session, "error", err)
		return false
	}
	return true
}

// carryOut settles what a session's partition owes and takes it off the outbox.
// What fails stays there, and some node does it within seconds.
func (b *Broker) carryOut(ctx context.Context, p store.Partition, effects []string) {
	done := []any{""}
	for _, data := range effects {
		if b.carry(ctx, data) {
			done = append(done, data)
		}
	}
	if len(done) == 1 {
		return
	}
	if _, err := b.Run(ctx, "done", []string{p.Outbox()}, done...); err != nil {
		b.Log.Warn("outbox not cleared; its effects will run again", "error", err)
	}
}

// settlePatience bounds what goes on after an answer.
const settlePatience = 10 * time.Second

// done turns a transition's reply into its answer, and carries out what it owes
// elsewhere. A transition that frees a place answers when the place is free.
func (b *Broker) done(ctx context.Context, a chat.Actor, session string, r store.Reply) (chat.Session, error) {
	st, err := chat.ParseState(session, r.Str(1))
	if err != nil {
		return chat.Session{}, err
	}
	var effects []string
	for i := 2; i < len(r); i++ {
		effects = append(effects, r.Str(i))
	}
	p, _ := b.Of(session)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	if len(effects) == 1 && st.State == chat.Serving && st.Agent != nil && st.Agent.ID == a.ID {
		b.Beside("settle", func() { // a grab: nothing waits for it
			defer cancel()
			b.carryOut(ctx, p, effects)
		})
	} else {
		b.carryOut(ctx, p, effects)
		cancel()
	}
	if c := device(a); c != nil {
		b.hub.Joined(c, st)
	}
	if len(effects) == 0 && chat.Table[chat.ActHistory].Verdict(st.Relations(a)) != "" {
		return st.AsOffered(), nil // a decline that is repeated
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}
