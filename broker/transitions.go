package broker

import (
	"context"
	"errors"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// step is what most transitions' scripts take. Each names what it uses.
type step struct {
	Op       string    `json:"op"`
	Session  string    `json:"session"`
	By       string    `json:"by"`
	Name     string    `json:"name,omitempty"`
	Boss     bool      `json:"boss,omitempty"`
	Force    bool      `json:"force,omitempty"`
	Due      bool      `json:"due,omitempty"`
	Gone     string    `json:"gone,omitempty"`
	From     string    `json:"from,omitempty"`
	Outcome  string    `json:"outcome,omitempty"`
	Reason   string    `json:"reason"`
	Queue    string    `json:"queue,omitempty"`
	To       string    `json:"to,omitempty"`
	Front    bool      `json:"front,omitempty"`
	Agent    string    `json:"agent,omitempty"`
	Info     string    `json:"info,omitempty"`
	Token    string    `json:"token,omitempty"`
	Queues   []string  `json:"queues,omitempty"`
	Note     string    `json:"note"`
	Entry    *stepNote `json:"entry,omitempty"`
	TTL      int64     `json:"ttl"`     // ms
	Abandon  int64     `json:"abandon"` // ms
	Max      int       `json:"max,omitempty"`
	Patience int64     `json:"patience"`         // ms
	Window   int64     `json:"window,omitempty"` // ms
	Keep     int64     `json:"keep,omitempty"`   // ms
	Score    int       `json:"score,omitempty"`
	Comment  string    `json:"comment"`
	Sticky   bool      `json:"sticky,omitempty"` // the broker itself offers
	Bot      bool      `json:"bot,omitempty"`    // who takes it is one
	Add      []string  `json:"add,omitempty"`    // labels
	Remove   []string  `json:"remove,omitempty"` // labels

	Idle map[string]int64 `json:"idle,omitempty"` // ms by queue

	action chat.Action // what it is in the table
}

// stepNote is a note that a transition appends.
type stepNote struct {
	By   string `json:"by"`
	Mid  string `json:"mid"`
	Head string `json:"head"`
	Body string `json:"body"`
}

func note(a chat.Actor, text string) *stepNote {
	by, from := chat.Who(a.Role, a.ID), chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}
	if a.Host && a.ID == "" {
		by, from = hostBot, hostAuthor
	}
	mid := ulid.Make().String()
	return &stepNote{by, mid, chat.Head(mid, from, chat.TypeNote, 0), chat.Quote(text)}
}

func newStep(a chat.Actor, action chat.Action, session string) step {
	return step{Op: ulid.Make().String(), Session: session, By: a.ID, Boss: chat.May(a, action), Queues: []string{}, action: action}
}

// where tells a session's queue and user: from its feed, else from Redis. It
// may be outdated; scripts that depend on it answer 'moved' then.
func (b *Broker) where(ctx context.Context, p store.Partition, session string) (queue, user string, err error) {
	if f := b.hub.live(session); f != nil {
		if queue, user = f.locate(); queue != "" {
			return queue, user, nil
		}
	}
	v, err := b.Pipe.HMGet(ctx, p.Session(session), "queue", "user").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", "", store.RedisError("session", err)
	}
	queue, ok := v[0].(string)
	if !ok {
		return "", "", chat.Errorf(chat.CodeNotFound, "no such session")
	}
	user, _ = v[1].(string)
	return queue, user, nil
}

// transit runs a transition's script whose keys need no queue.
func (b *Broker) transit(ctx context.Context, a chat.Actor, script string, s step) (chat.Session, error) {
	p, ok := b.Of(s.Session)
	if !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	for asked := false; ; asked = true {
		r, err := b.RunJSON(ctx, script, p.Transition(s.Session), s)
		if err != nil {
			return chat.Session{}, err
		}
		err = store.Refused(r)
		if err == nil {
			return b.done(ctx, a, s.Session, r)
		}
		if again, err := b.Enrolled(ctx, a, s.Session, r); err != nil {
			return chat.Session{}, err
		} else if !again || asked {
			return chat.Session{}, b.Absent(ctx, a, s.action, s.Session, store.Refused(r))
		}
	}
}

// relocate runs a transition's script that moves a session in waiting lists:
// keys gives its further keys, for the queue and user the session is thought to have.
// The error is a kept one if the place that the step brings is the session's now.
func (b *Broker) relocate(ctx context.Context, a chat.Actor, script string, s step,
	keys func(p store.Partition, queue, user string) []string) (chat.Session, error) {
	p, ok := b.Of(s.Session)
	if !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	queue, user, err := b.where(ctx, p, s.Session)
	if err != nil {
		return chat.Session{}, b.Absent(ctx, a, s.action, s.Session, err)
	}
	for range 5 {
		r, err := b.ruled(ctx, script, p, p.Transition(s.Session, keys(p, queue, user)...), func() any {
			s.obey(b, queue)
			return s
		})
		if err != nil {
			return chat.Session{}, err
		}
		if r.Str(0) == "moved" {
			queue, user = r.Str(1), r.Str(2)
			continue
		}
		if r.Str(0) == "kept" {
			b.adopt(ctx, s.Agent, s.Session)
			return chat.Session{}, kept{store.Refused(r[1:])}
		}
		if r.Str(0) == "mine" {
			b.adopt(ctx, s.Agent, s.Session)
			r[0] = "ok"
		}
		again, err := b.Enrolled(ctx, a, s.Session, r)
		if err != nil {
			return chat.Session{}, err
		}
		if again {
			continue
		}
		if err := store.Refused(r); err != nil {
			return chat.Session{}, b.Absent(ctx, a, s.action, s.Session, err)
		}
		return b.done(ctx, a, s.Session, r)
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "the session keeps moving; try again")
}

// kept is a refusal after which the place that was reserved is the session's all the same.
type kept struct{ error }

func (k kept) Unwrap() error { return k.error }

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
	if r.Queue != "" {
		return b.toQueue(ctx, a, r)
	}
	return b.toAgent(ctx, a, r)
}

func (b *Broker) toQueue(ctx context.Context, a chat.Actor, r chat.TransferRequest) (chat.Session, error) {
	if err := chat.ValidID("queue", r.Queue); err != nil {
		return chat.Session{}, err
	}
	s := newStep(a, chat.ActTransfer, r.Session)
	s.To = r.Queue
	if r.Note != "" {
		s.Entry = note(a, r.Note)
	}
	return b.relocate(ctx, a, "requeue", s, requeueKeys(r.Queue))
}

func requeueKeys(to string) func(p store.Partition, queue, user string) []string {
	return func(p store.Partition, queue, user string) []string {
		if to == "" {
			return []string{p.Waiting(queue), p.Open(user), p.Waiting(queue)}
		}
		return []string{p.Waiting(queue), p.Open(user), p.Waiting(to)}
	}
}

func (b *Broker) toAgent(ctx context.Context, a chat.Actor, r chat.TransferRequest) (chat.Session, error) {
	if err := chat.ValidID("agent", r.Agent); err != nil {
		return chat.Session{}, err
	}
	if r.Agent == a.ID && a.Role.Staff() {
		return chat.Session{}, chat.Errorf(chat.CodeBadRequest, "to: not oneself")
	}
	// The owner is asked before a place is taken, so that a stranger cannot fill a colleague's load.
	st, err := b.Look(ctx, r.Session)
	if err != nil {
		return chat.Session{}, err
	}
	if err := b.Judge(ctx, a, chat.ActTransfer, st); err != nil {
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
	for range 3 {
		pl, err := b.reserve(ctx, chat.Identity{ID: r.Agent, Role: chat.RoleAgent}, r.Session, reserveHow{offer: true})
		if err != nil {
			return chat.Session{}, err
		}
		s, err := b.offer(ctx, a, r, pl, st.Queue)
		if !errors.Is(err, store.ErrLate) {
			return s, err
		}
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "Redis is too slow; try again")
}

// offer puts an offer to the agent whose place was reserved; errLate if the place is too old.
func (b *Broker) offer(ctx context.Context, a chat.Actor, r chat.TransferRequest, pl place, queue string) (chat.Session, error) {
	p, _ := b.Of(r.Session)
	s := newStep(a, chat.ActTransfer, r.Session)
	s.Agent, s.Info, s.Token, s.Queues = pl.agent, pl.info, pl.token, pl.queues
	s.Note, s.Sticky = r.Note, r.Sticky
	reply, err := b.ruled(ctx, "offer", p, p.Transition(r.Session), func() any {
		s.TTL = store.Milliseconds(b.settings.queue(queue).OfferTimeout)
		return s
	})
	if err != nil {
		return chat.Session{}, err // unknown whether it took effect: the place's timer finds out
	}
	if reply.Str(0) == "kept" {
		b.adopt(ctx, pl.agent, r.Session)
		return chat.Session{}, store.Refused(reply[1:])
	}
	if err := store.Refused(reply); err != nil {
		b.free(ctx, pl, r.Session)
		return chat.Session{}, err
	}
	return b.done(ctx, a, r.Session, reply)
}

// Accept makes the target of an open offer the owner.
func (b *Broker) Accept(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActAccept); err != nil {
		return chat.Session{}, err
	}
	s := newStep(a, chat.ActAccept, session)
	s.Bot = a.Role == chat.RoleBot
	return b.relocate(ctx, a, "accept", s, acceptKeys)
}

// Decline ends an offer by its target. The reason becomes a note of the target's.
func (b *Broker) Decline(ctx context.Context, a chat.Actor, session, reason string) (chat.Session, error) {
	if err := errors.Join(chat.Allow(a, chat.ActDecline), chat.ValidProse("reason", reason, chat.MaxNote)); err != nil {
		return chat.Session{}, err
	}
	s := newStep(a, chat.ActDecline, session)
	s.Outcome = "declined"
	if reason != "" { // for colleagues; the user sees that it was declined, and not why
		s.Entry = note(a, reason)
	}
	return b.transit(ctx, a, "withdraw", s)
}

// Cancel ends an offer by the owner or a supervisor.
func (b *Broker) Cancel(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActCancel); err != nil {
		return chat.Session{}, err
	}
	s := newStep(a, chat.ActCancel, session)
	s.Outcome = "cancelled"
	return b.transit(ctx, a, "withdraw", s)
}
