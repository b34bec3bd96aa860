package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/canned"
)

// cannedReader is what an actor may use of canned replies: staff those for all, their
// queues' and their own, supervisors and host applications all.
func cannedReader(a chat.Actor) canned.Reader {
	r := canned.Reader{All: a.SeesAll()}
	if a.Role.Staff() {
		r.Agent, r.Queues = a.ID, a.Queues
	}
	return r
}

// Canned shows one canned reply to those who may use it.
func (b *Broker) Canned(ctx context.Context, a chat.Actor, id string) (chat.Canned, error) {
	if err := chat.Allow(a, chat.ActCanned); err != nil {
		return chat.Canned{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return chat.Canned{}, err
	}
	c, err := b.canned.Get(ctx, id)
	if err == nil && !cannedReader(a).Sees(&c) {
		err = chat.Errorf(chat.CodeForbidden, "not a canned reply of yours")
	}
	return c, err
}

// CannedList shows the canned replies that the actor may use, by id.
func (b *Broker) CannedList(ctx context.Context, a chat.Actor, r chat.CannedRequest) (chat.CannedReply, error) {
	none := chat.CannedReply{Canned: []chat.Canned{}}
	if err := chat.Allow(a, chat.ActCanned); err != nil {
		return none, err
	}
	var err error
	if r.Limit, err = chat.ListLimit(r.Limit); err != nil {
		return none, err
	}
	return b.canned.List(ctx, cannedReader(a), r)
}

// mayWrite gives the only agent whose canned replies the actor may write; "": everyone's.
func mayWrite(a chat.Actor) (own string, err error) {
	if a.SeesAll() {
		return "", nil
	}
	return a.ID, chat.Allow(a, chat.ActCanned)
}

// PutCanned writes a canned reply, a new one or in place of the one with that id.
// Agents write their own, supervisors and host applications everyone's.
// CodeTaken, by another reply's id: its scope has that shortcut already.
// CodeFull: its scope has chat.MaxCanned.
func (b *Broker) PutCanned(ctx context.Context, a chat.Actor, c chat.Canned) (chat.Canned, error) {
	own, err := mayWrite(a)
	if err != nil {
		return c, err
	}
	return b.canned.Put(ctx, own, c)
}

// DeleteCanned removes a canned reply; who may is as with PutCanned.
func (b *Broker) DeleteCanned(ctx context.Context, a chat.Actor, id string) error {
	own, err := mayWrite(a)
	if err != nil {
		return err
	}
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	return b.canned.Delete(ctx, own, id)
}

// RenderCanned gives the text of a canned reply, named by its id or its shortcut,
// for a session that the actor may read. A shortcut is sought among the actor's
// own replies, then the session's queue's, then those for all. The variables are
// {{user.name}}, {{agent.name}} (the agent who asks; the owner, if a host
// application does), {{session.id}}, {{session.subject}}, {{queue.name}} and
// {{meta.<key>}}; one without a value stays as it is. CodeTooLarge: the result is
// longer than chat.MaxText.
func (b *Broker) RenderCanned(ctx context.Context, a chat.Actor, session, name string) (string, error) {
	if err := chat.Allow(a, chat.ActRender); err != nil {
		return "", err
	}
	if err := chat.ValidID("canned", name); err != nil {
		return "", err
	}
	st, err := b.sessions.Look(ctx, session)
	if err == nil {
		err = b.sessions.Judge(ctx, a, chat.ActRender, st)
	}
	if err != nil {
		return "", err
	}
	agent := st.Agent
	if a.Role.Staff() {
		p := a.Person()
		agent = &p
	}
	return b.canned.Render(ctx, cannedReader(a), name, canned.About{Session: st, Queue: b.QueueName(st.Queue), Agent: agent})
}
