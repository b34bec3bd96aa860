package broker

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

// soon routes a session that has just begun to wait. If this node dies
// before it is through, the session's timer makes another do it.
func (b *Broker) soon(session string) {
	b.store.Beside("route", func() {
		ctx, cancel := context.WithTimeout(b.store.Life, settlePatience)
		defer cancel()
		p, _ := b.store.Of(session)
		err := unlessOver(b.route(ctx, session))
		if err == nil {
			b.store.DoneSoon(p.Timers(), "route|"+session)
		}
		if err != nil && ctx.Err() == nil {
			b.store.Log.Warn("session not routed; its timer will", "session", session, "error", err)
		}
	})
}

// route gives a session to its queue's bot, or else offers it to the user's
// last agent. Whoever cannot take it now is passed over: nobody waits for them.
func (b *Broker) route(ctx context.Context, session string) error {
	for range 3 {
		if err := b.routeOnce(ctx, session); !errors.Is(err, store.ErrLate) {
			return err
		}
	}
	return store.ErrAgain // settings keep changing, or Redis is too slow
}

func (b *Broker) routeOnce(ctx context.Context, session string) error {
	st, err := b.sessions.LookLive(ctx, session)
	if err != nil || st == nil || st.State != chat.Waiting || st.Target != nil {
		return err
	}
	q := b.settings.Queue(st.Queue)
	if st.BotFirst && q.Bot != "" {
		err := b.assign(ctx, routing.Assignment{Session: session, Agent: q.Bot, Role: chat.RoleBot})
		if unlessOver(unless(err, chat.CodeFull, chat.CodeNoAgent, chat.CodeTaken)) != nil || err == nil {
			return err
		}
	}
	if st.Sticky == "" || q.Routing == "auto" || !q.Hours.IsOpen(time.Now()) {
		return nil
	}
	pl, err := b.places.Reserve(ctx, chat.Identity{ID: st.Sticky, Role: chat.RoleAgent}, session, places.Only{Online: true, Queue: st.Queue})
	if err == nil {
		_, err = b.offer(ctx, chat.Actor{}, chat.TransferRequest{Session: session, Agent: st.Sticky, Sticky: true}, pl, st.Queue)
	}
	return unless(err, chat.CodeFull, chat.CodeNoAgent)
}

// assign makes an agent a waiting session's owner without asking it.
func (b *Broker) assign(ctx context.Context, j routing.Assignment) error {
	agent := chat.Identity{ID: j.Agent, Role: j.Role}
	pl, err := b.places.Reserve(ctx, agent, j.Session, places.Only{Online: true, Queue: j.Queue, Load: j.Load})
	if err != nil {
		return err
	}
	if j.Role == chat.RoleBot { // it serves where it is named
		st, err := b.sessions.LookLive(ctx, j.Session)
		if err != nil || st == nil {
			b.places.Free(ctx, pl, j.Session)
			return err
		}
		pl.Queues = []string{st.Queue}
	}
	_, err = b.win(ctx, chat.Actor{Identity: agent}, pl, j.Session, &j)
	return err
}

// unless is err, or nil for these codes.
func unless(err error, codes ...chat.Code) error {
	if err != nil && chat.Contains(codes, chat.AsError(err).Code) {
		return nil
	}
	return err
}

// dispatchNeeds is what assigning needs of the broker.
type dispatchNeeds struct {
	liveSessions
}

// Follow keeps a picture of what waits in a queue.
func (n dispatchNeeds) Follow(ctx context.Context, queue string, f routing.Follower) (routing.View, bool, error) {
	v, sound, err := n.b.hall.Follow(ctx, queue, f)
	if err != nil {
		return nil, false, err
	}
	return v, sound, nil
}

// Assign makes an agent a waiting session's owner.
func (n dispatchNeeds) Assign(ctx context.Context, j routing.Assignment) error {
	return n.b.assign(ctx, j)
}
