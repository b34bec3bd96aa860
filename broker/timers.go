package broker

import (
	"context"
	"errors"
	"strings"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// errAgain says that a timer should be tried again in a second.
var errAgain = errors.New("not yet")

// finish carries a timer out. Where Redis was away it comes again in a second;
// what else went wrong is tried again when its lease is over.
func (p *pulse) finish(ctx context.Context, w store.Lent) {
	err := p.b.fire(ctx, p.part, w.Member)
	if err == nil {
		p.books.Add(w, true)
		return
	}
	code := chat.AsError(err).Code
	if errors.Is(err, errAgain) || code == chat.CodeUnavailable || code == chat.CodeOverloaded {
		p.books.Add(w, false)
	}
	if !errors.Is(err, errAgain) && ctx.Err() == nil {
		p.b.Log.Warn("timer not carried out; it comes again", "timer", w.Member, "error", err)
	}
}

// fire carries out one timer. Each transition checks by itself whether it is
// due, so one that fires twice, or late, does no harm.
func (b *Broker) fire(ctx context.Context, p store.Partition, timer string) error {
	kind, id, _ := strings.Cut(timer, "|")
	var err error
	switch kind {
	case "offer":
		s := newStep(chat.Actor{}, "", id)
		s.Outcome = "expired"
		_, err = b.transit(ctx, chat.Actor{}, "withdraw", s)
	case "end":
		s := newStep(chat.Actor{}, "", id)
		s.Due = true
		_, err = b.relocate(ctx, chat.Actor{}, "end", s, endKeys)
	case "abandon":
		_, err = b.relocate(ctx, chat.Actor{}, "abandon", newStep(chat.Actor{}, "", id), func(p store.Partition, queue, user string) []string {
			return append(endKeys(p, queue, user), p.Conns("u:"+user), p.Epoch())
		})
	case "idle":
		_, err = b.relocate(ctx, chat.Actor{}, "idle", newStep(chat.Actor{}, "", id), endKeys)
	case "patience":
		err = b.longWait(ctx, id)
	case "move":
		err = b.carryMove(ctx, id)
	case "route":
		err = b.route(ctx, id)
	case "gone":
		err = b.gone(ctx, id)
	case "expire":
		err = b.archiver.Expire(ctx, p, id)
	case "place":
		session, agent, _ := strings.Cut(id, "|")
		err = b.resolve(ctx, p, agent, session, false)
	case "recover":
		err = b.recovered(ctx, p, id)
	}
	return settled(err)
}

// settled takes out the refusals that say that there is nothing (more) to do.
func settled(err error) error {
	switch chat.AsError(err).Code {
	case chat.CodeWrongState, chat.CodeEnded, chat.CodeNotFound, chat.CodeForbidden:
		return nil
	}
	if errors.Is(err, store.ErrEarly) {
		return nil
	}
	return err
}

// gone is for an agent whose grace is over: it is offline, its offers are
// declined, and its sessions wait again, ahead of their queues.
func (b *Broker) gone(ctx context.Context, agent string) error {
	gone, sure, err := b.people.Gone(ctx, agent)
	if err == nil && !sure {
		err = errAgain
	}
	if err != nil || !gone {
		return err
	}
	b.Log.Info("agent gone", "agent", agent)
	m := &member{who: "a:" + agent}
	ids, err := b.current(ctx, m)
	if err != nil {
		return err
	}
	held, err := b.Pipe.HKeys(ctx, b.Home(agent).Load(agent)).Result()
	if err != nil {
		return store.RedisError("load", err)
	}
	seen := map[string]bool{}
	for _, s := range append(ids, held...) {
		if !seen[s] {
			seen[s] = true
			err = errors.Join(err, settled(b.vacate(ctx, agent, s, "agent-gone")))
		}
	}
	return err
}

// vacate takes an agent out of one session; reason says why, to those who read it.
func (b *Broker) vacate(ctx context.Context, agent, session, reason string) error {
	st, err := b.Look(ctx, session)
	if err != nil || st.State == chat.Ended {
		return err
	}
	s := newStep(chat.Actor{}, "", session)
	if st.Target != nil && st.Target.ID == agent {
		s.By, s.Outcome, s.Reason = agent, "declined", reason
		if _, err := b.transit(ctx, chat.Actor{}, "withdraw", s); settled(err) != nil {
			return err
		}
	}
	if st.Agent != nil && st.Agent.ID == agent {
		s = newStep(chat.Actor{}, "", session)
		s.Gone, s.To, s.Front, s.Reason = agent, st.Queue, true, reason
		_, err = b.relocate(ctx, chat.Actor{}, "requeue", s, requeueKeys(st.Queue))
		return err
	}
	if _, in := st.Counts["a:"+agent]; in {
		s = newStep(chat.Actor{}, "", session)
		s.By = agent
		_, err = b.transit(ctx, chat.Actor{}, "leave", s)
	}
	return err
}
