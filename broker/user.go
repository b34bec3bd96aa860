package broker

import (
	"context"

	"bellhop/broker/chat"
)

// cardSessions is how many of a user's sessions its card shows.
const cardSessions = 20

// User shows a user's card to host applications, supervisors, and agents who
// take or took part in one of its sessions. CodeNotFound: never seen.
func (b *Broker) User(ctx context.Context, a chat.Actor, id string) (chat.UserCard, error) {
	if err := b.mayKnow(ctx, a, id); err != nil {
		return chat.UserCard{}, err
	}
	p, err := b.people.Profile(ctx, chat.RoleUser, id)
	if err != nil {
		return chat.UserCard{}, err
	}
	list, err := b.sessions.Sessions(ctx, chat.Actor{Host: true}, chat.SessionsRequest{User: id, Limit: cardSessions})
	if err != nil {
		return chat.UserCard{}, err
	}
	if !p.Known && len(list.Sessions) == 0 {
		return chat.UserCard{}, chat.Errorf(chat.CodeNotFound, "no such user")
	}
	card := p.Card(a)
	card.Sessions = []chat.UserSession{}
	for _, s := range list.Sessions {
		card.Sessions = append(card.Sessions, chat.UserSession{ID: s.ID, Queue: s.Queue, State: s.State, Agent: s.Agent, Subject: s.Subject, Labels: s.Labels, Created: s.Created, Ended: s.Ended, Rating: s.Rating})
	}
	if card.Name == "" && len(list.Sessions) > 0 { // it has never been connected
		card.Person = list.Sessions[0].User
	}
	return card, nil
}

// mayKnow tells who may see a user's card.
func (b *Broker) mayKnow(ctx context.Context, a chat.Actor, id string) error {
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	if err := chat.Allow(a, chat.ActUser); err != nil || chat.May(a, chat.ActUser) {
		return err
	}
	if a.Role.Staff() {
		shared, err := b.sessions.Sessions(ctx, a, chat.SessionsRequest{User: id, Agent: a.ID, Limit: cardSessions})
		if err != nil || len(shared.Sessions) > 0 {
			return err
		}
	}
	return chat.Errorf(chat.CodeForbidden, "only host applications, supervisors, and agents of this user's sessions may")
}

// PutUser blocks a user, who may never have been seen, or lets it in again. A
// blocked user's connections close with 4005, on every node within two seconds;
// it opens and reopens no session and sends no message, and neither does a host
// application for it. Sessions it has open stay until somebody ends them.
func (b *Broker) PutUser(ctx context.Context, a chat.Actor, id string, s chat.UserSettings) (chat.UserCard, error) {
	if err := chat.Allow(a, chat.ActSetUser); err != nil {
		return chat.UserCard{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return chat.UserCard{}, err
	}
	if err := chat.ValidProse("reason", s.Reason, chat.MaxNote); err != nil {
		return chat.UserCard{}, err
	}
	if err := b.people.Block(ctx, id, s); err != nil {
		return chat.UserCard{}, err
	}
	p, err := b.people.Profile(ctx, chat.RoleUser, id)
	return p.Card(a), err
}
