package broker

import (
	"context"

	"bellhop/broker/chat"
)

// Session shows one session to those who may read it.
func (b *Broker) Session(ctx context.Context, a chat.Actor, id string) (chat.Session, error) {
	return b.sessions.Session(ctx, a, id)
}

// Sessions lists one's own sessions, newest first, as many as fit into a page;
// everyone's for supervisors and host applications. Agents see what waits in a
// queue of their own, too, if they ask for that.
func (b *Broker) Sessions(ctx context.Context, a chat.Actor, r chat.SessionsRequest) (chat.SessionsReply, error) {
	return b.sessions.Sessions(ctx, a, r)
}

// Readable is nil if the actor may read the session; else CodeNotFound or CodeForbidden.
func (b *Broker) Readable(ctx context.Context, a chat.Actor, session string) error {
	return b.sessions.Readable(ctx, a, session)
}

// History gives a page of the log. With After and its Mid, Reset tells that the
// log no longer agrees with what the caller holds, and the page is the first.
func (b *Broker) History(ctx context.Context, a chat.Actor, r chat.HistoryRequest) (chat.HistoryReply, error) {
	return b.sessions.History(ctx, a, r, b.hub.Known(r.Session, chat.Who(a.Role, a.ID)))
}

// Search finds archived messages: all for host applications and supervisors, of
// sessions they took part in for agents, of their own sessions and without notes
// for users. What was sent within the last seconds is not archived yet.
func (b *Broker) Search(ctx context.Context, a chat.Actor, r chat.SearchRequest) (chat.SearchReply, error) {
	return b.sessions.Search(ctx, a, r)
}

// Panics is how many panics this node has outlived.
func (b *Broker) Panics() int64 { return b.store.Panics() }
