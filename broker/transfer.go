package broker

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
)

// Transfer offers a session to an agent, whose place is held meanwhile, or puts
// it into a queue at once, keeping its age.
func (b *Broker) Transfer(ctx context.Context, a chat.Actor, r chat.TransferRequest) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActTransfer); err != nil {
		return chat.Session{}, err
	}
	if (r.Agent == "") == (r.Queue == "") {
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "to: an agent or a queue")
	}
	if err := chat.ValidProse("note", r.Note, chat.MaxNote); err != nil {
		return chat.Session{}, err
	}
	if r.Agent != "" {
		return b.toAgent(ctx, a, r)
	}
	if err := chat.ValidID("queue", r.Queue); err != nil {
		return chat.Session{}, err
	}
	return b.requeue(ctx, a, chat.ActTransfer, requeueArgs{caller: calledBy(a, chat.ActTransfer, r.Session), To: r.Queue, Entry: note(a, r.Note)})
}

func (b *Broker) toAgent(ctx context.Context, a chat.Actor, r chat.TransferRequest) (chat.Session, error) {
	if err := chat.ValidID("agent", r.Agent); err != nil {
		return chat.Session{}, err
	}
	if r.Agent == a.ID && a.Role.Staff() {
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "to: not oneself")
	}
	// The owner is asked before a place is taken, so that a stranger cannot fill a colleague's load.
	st, err := b.sessions.Look(ctx, r.Session)
	if err != nil {
		return chat.Session{}, err
	}
	if err := b.sessions.Judge(ctx, a, chat.ActTransfer, st); err != nil {
		return chat.Session{}, err
	}
	switch {
	case st.State == chat.Ended:
		return chat.Session{}, chat.Errorf(chat.CodeEnded, "the session has ended")
	case st.Target != nil && st.Target.ID == r.Agent && st.Offer.From == a.ID:
		return st.As(chat.Who(a.Role, a.ID)), nil // asked again
	case st.State != chat.Serving && !(st.State == chat.Waiting && st.Target == nil && a.SeesAll()):
		return chat.Session{}, &chat.Error{Code: chat.CodeWrongState, Message: "not while the session is " + string(st.State), State: st.State}
	case st.Agent != nil && st.Agent.ID == r.Agent:
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "to: it is theirs already")
	}
	return b.withPlace(ctx, chat.Identity{ID: r.Agent, Role: chat.RoleAgent}, r.Session, places.Only{Online: true}, func(pl places.Place) (chat.Session, error) {
		return b.offer(ctx, a, r, pl, st.Queue)
	})
}

// offerArgs is what offer.lua is told.
type offerArgs struct {
	caller
	places.Place
	Sticky bool   `json:"sticky,omitempty"` // the broker itself offers
	Note   string `json:"note"`
	TTL    int64  `json:"ttl"` // ms
}

// offer puts an offer to the agent whose place was reserved; ErrLate if the place is too old.
func (b *Broker) offer(ctx context.Context, a chat.Actor, r chat.TransferRequest, pl places.Place, queue string) (chat.Session, error) {
	p, _ := b.store.Of(r.Session)
	args := offerArgs{caller: calledBy(a, chat.ActTransfer, r.Session), Place: pl, Sticky: r.Sticky, Note: r.Note}
	reply, err := b.settings.Ruled(ctx, "offer", p, p.Transition(r.Session), func() any {
		args.TTL = store.Milliseconds(b.settings.Queue(queue).OfferTimeout)
		return args
	})
	if err == nil {
		reply, err = b.places.Brought(ctx, pl, r.Session, reply)
	}
	if err != nil {
		return chat.Session{}, err
	}
	return b.answer(ctx, a, r.Session, reply)
}

// acceptArgs is what accept.lua is told.
type acceptArgs struct {
	call
	By    string           `json:"by"`
	Queue string           `json:"queue"`
	Idle  map[string]int64 `json:"idle,omitempty"` // ms by queue
	Bot   bool             `json:"bot,omitempty"`
}

// Accept makes the target of an open offer the owner.
func (b *Broker) Accept(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActAccept); err != nil {
		return chat.Session{}, err
	}
	args := acceptArgs{call: newCall(session), By: a.ID, Bot: a.Role == chat.RoleBot}
	return b.relocate(ctx, a, chat.ActAccept, session, func(p store.Partition, queue, _ string) (store.Reply, error) {
		return b.settings.Ruled(ctx, "accept", p, p.Transition(session, p.Waiting(queue)), func() any {
			args.Queue, args.Idle = queue, b.idleTimes(queue)
			return args
		})
	})
}

// Decline ends an offer by its target. The reason becomes a note of the target's:
// colleagues read it; the user sees that it was declined, and not why.
func (b *Broker) Decline(ctx context.Context, a chat.Actor, session, reason string) (chat.Session, error) {
	if err := errors.Join(chat.Allow(a, chat.ActDecline), chat.ValidProse("reason", reason, chat.MaxNote)); err != nil {
		return chat.Session{}, err
	}
	return b.withdraw(ctx, a, chat.ActDecline, withdrawArgs{caller: calledBy(a, chat.ActDecline, session), Outcome: "declined", Entry: note(a, reason)})
}

// Cancel ends an offer by the owner or a supervisor.
func (b *Broker) Cancel(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActCancel); err != nil {
		return chat.Session{}, err
	}
	return b.withdraw(ctx, a, chat.ActCancel, withdrawArgs{caller: calledBy(a, chat.ActCancel, session), Outcome: "cancelled"})
}

// expireOffer is for an offer whose time is over.
func (b *Broker) expireOffer(ctx context.Context, session string) error {
	_, err := b.withdraw(ctx, chat.Actor{}, "", withdrawArgs{caller: caller{call: newCall(session)}, Outcome: "expired"})
	return err
}

// withdrawArgs is what withdraw.lua is told.
type withdrawArgs struct {
	caller
	Outcome string     `json:"outcome"`
	Reason  string     `json:"reason"`
	Entry   *noteEntry `json:"entry,omitempty"`
}

// withdraw ends an open offer without a new owner.
func (b *Broker) withdraw(ctx context.Context, a chat.Actor, action chat.Action, args withdrawArgs) (chat.Session, error) {
	return b.transit(ctx, a, action, args.Session, func(p store.Partition) (store.Reply, error) {
		return b.store.RunJSON(ctx, "withdraw", p.Transition(args.Session), args)
	})
}

// requeueArgs is what requeue.lua is told.
type requeueArgs struct {
	caller
	Owner    string     `json:"gone,omitempty"` // only while this agent owns it
	From     string     `json:"from,omitempty"` // only while it waits in this queue
	Queue    string     `json:"queue"`
	To       string     `json:"to"`
	Front    bool       `json:"front,omitempty"`
	Reason   string     `json:"reason"`
	Abandon  int64      `json:"abandon"`  // ms
	Patience int64      `json:"patience"` // ms
	Entry    *noteEntry `json:"entry,omitempty"`
}

// requeue lets a session wait again, in its own or another queue.
func (b *Broker) requeue(ctx context.Context, a chat.Actor, action chat.Action, args requeueArgs) (chat.Session, error) {
	return b.relocate(ctx, a, action, args.Session, func(p store.Partition, queue, user string) (store.Reply, error) {
		return b.settings.Ruled(ctx, "requeue", p, p.Transition(args.Session, p.Waiting(queue), p.Open(user), p.Waiting(args.To)), func() any {
			to := b.settings.Queue(args.To)
			args.Queue, args.Abandon, args.Patience = queue, store.Milliseconds(to.AbandonTimeout), 0
			if to.Hours.IsOpen(time.Now()) {
				args.Patience = store.Milliseconds(to.Patience)
			}
			return args
		})
	})
}
