package broker

import (
	"context"
	"errors"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// agentGone is for an agent whose grace is over: it is offline, its offers are
// declined, and its sessions wait again, ahead of their queues.
func (b *Broker) agentGone(ctx context.Context, agent string) error {
	gone, sure, err := b.people.Gone(ctx, agent)
	if err == nil && !sure {
		err = store.ErrAgain
	}
	if err != nil || !gone {
		return err
	}
	b.store.Log.Info("agent gone", "agent", agent)
	ids, err := b.hub.Current(ctx, "a:"+agent)
	if err != nil {
		return err
	}
	held, err := b.places.Held(ctx, agent)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range append(ids, held...) {
		if !seen[s] {
			seen[s] = true
			err = errors.Join(err, unlessOver(b.vacate(ctx, agent, s, "agent-gone")))
		}
	}
	return err
}

// vacate takes an agent out of one session; reason says why, to those who read it.
func (b *Broker) vacate(ctx context.Context, agent, session, reason string) error {
	st, err := b.sessions.Look(ctx, session)
	if err != nil || st.State == chat.Ended {
		return err
	}
	broker := func() caller { return caller{call: newCall(session)} }
	if st.Target != nil && st.Target.ID == agent {
		args := withdrawArgs{caller: broker(), Outcome: "declined", Reason: reason}
		args.By = agent
		if _, err := b.withdraw(ctx, chat.Actor{}, "", args); unlessOver(err) != nil {
			return err
		}
	}
	if st.Agent != nil && st.Agent.ID == agent {
		_, err = b.requeue(ctx, chat.Actor{}, "", requeueArgs{caller: broker(), Owner: agent, To: st.Queue, Front: true, Reason: reason})
		return err
	}
	if _, in := st.Counts["a:"+agent]; in {
		_, err = b.leave(ctx, chat.Actor{}, session, agent)
	}
	return err
}
