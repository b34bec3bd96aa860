package broker

import (
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
)

// soon routes a session that has just begun to wait. If this node dies
// before it is through, the session's timer makes another do it.
func (b *Broker) soon(session string) {
	b.Beside("route", func() {
		ctx, cancel := context.WithTimeout(b.Life, settlePatience)
		defer cancel()
		p, _ := b.Of(session)
		err := unlessOver(b.route(ctx, session))
		if err == nil {
			_, err = b.Run(ctx, "done", []string{p.Timers()}, "", "route|"+session)
		}
		if err != nil && ctx.Err() == nil {
			b.Log.Warn("session not routed; its timer will", "session", session, "error", err)
		}
	})
}

// route gives a session to its queue's bot, or else offers it to the user's
// last agent. Whoever cannot take it now is passed over: nobody waits for them.
func (b *Broker) route(ctx context.Context, session string) error {
	st, err := b.LookLive(ctx, session)
	if err != nil || st == nil || st.State != chat.Waiting || st.Target != nil {
		return err
	}
	q := b.settings.queue(st.Queue)
	if st.BotFirst && q.Bot != "" {
		err := b.assign(ctx, session, q.Bot, chat.RoleBot, places.Only{Online: true})
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
func (b *Broker) assign(ctx context.Context, session, agent string, role chat.Role, only places.Only) error {
	pl, err := b.places.Reserve(ctx, chat.Identity{ID: agent, Role: role}, session, only)
	if err != nil {
		return err
	}
	if role == chat.RoleBot { // it serves where it is named
		st, err := b.LookLive(ctx, session)
		if err != nil || st == nil {
			b.places.Free(ctx, pl, session)
			return err
		}
		pl.Queues = []string{st.Queue}
	}
	_, err = b.win(ctx, chat.Actor{Identity: chat.Identity{ID: agent, Role: role}}, pl, session, true)
	return err
}

// unless is err, or nil for these codes.
func unless(err error, codes ...chat.Code) error {
	if err != nil && chat.Contains(codes, chat.AsError(err).Code) {
		return nil
	}
	return err
}
