package broker

import (
	"context"
	"strings"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// cardSessions is how many of a user's sessions its card shows.
const cardSessions = 20

// UserSettings is what a host or supervisor sets of a user.
type UserSettings struct {
	Blocked bool
	Reason  string // for staff; the user is not told
}

// UserCard is what staff may know of a user. Reason is nil for agents, Sessions
// where they were not asked for.
type UserCard struct {
	chat.Person
	Blocked  bool          `json:"blocked"`
	Reason   *string       `json:"reason,omitempty"`
	Sessions []UserSession `json:"sessions,omitzero"` // the newest, newest first
}

// UserSession is one session on a user's card.
type UserSession struct {
	ID      string       `json:"id"`
	Queue   string       `json:"queue"`
	State   chat.State   `json:"state"`
	Agent   *chat.Person `json:"agent"`
	Subject string       `json:"subject"`
	Labels  []string     `json:"labels"`
	Created chat.Time    `json:"created"`
	Ended   *chat.Time   `json:"ended"`
	Rating  *chat.Rating `json:"rating"`
}

// User shows a user's card to host applications, supervisors, and agents who
// take or took part in one of its sessions. CodeNotFound: never seen.
func (b *Broker) User(ctx context.Context, a chat.Actor, id string) (UserCard, error) {
	if err := b.mayKnow(ctx, a, id); err != nil {
		return UserCard{}, err
	}
	p, err := b.profile(ctx, chat.RoleUser, id)
	if err != nil {
		return UserCard{}, err
	}
	list, err := b.Sessions(ctx, chat.Actor{Host: true}, chat.SessionsRequest{User: id, Limit: cardSessions})
	if err != nil {
		return UserCard{}, err
	}
	if !p.known && len(list.Sessions) == 0 {
		return UserCard{}, chat.Errorf(chat.CodeNotFound, "no such user")
	}
	card := p.card(a)
	card.Sessions = []UserSession{}
	for _, s := range list.Sessions {
		card.Sessions = append(card.Sessions, UserSession{s.ID, s.Queue, s.State, s.Agent, s.Subject, s.Labels, s.Created, s.Ended, s.Rating})
	}
	if card.Name == "" && len(list.Sessions) > 0 { // it has never been connected
		card.Person = list.Sessions[0].User
	}
	return card, nil
}

func (p profile) card(a chat.Actor) UserCard {
	card := UserCard{Person: p.Person, Blocked: p.blocked}
	if a.SeesAll() {
		card.Reason = &p.reason
	}
	return card
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
		shared, err := b.Sessions(ctx, a, chat.SessionsRequest{User: id, Agent: a.ID, Limit: cardSessions})
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
func (b *Broker) PutUser(ctx context.Context, a chat.Actor, id string, s UserSettings) (UserCard, error) {
	if err := chat.Allow(a, chat.ActSetUser); err != nil {
		return UserCard{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return UserCard{}, err
	}
	if err := chat.ValidProse("reason", s.Reason, chat.MaxNote); err != nil {
		return UserCard{}, err
	}
	for range 5 {
		moved, err := b.block(ctx, id, s)
		if err != nil {
			return UserCard{}, err
		}
		if !moved {
			p, err := b.profile(ctx, chat.RoleUser, id)
			return p.card(a), err
		}
	}
	return UserCard{}, chat.Errorf(chat.CodeUnavailable, "the user keeps opening sessions; try again")
}

// block tells a user's profile and its open sessions; moved: it has opened one meanwhile.
func (b *Broker) block(ctx context.Context, id string, s UserSettings) (moved bool, err error) {
	part, w := b.Home(id), chat.Who(chat.RoleUser, id)
	open, err := b.Pipe.HVals(ctx, part.Open(id)).Result()
	if err != nil {
		return false, store.RedisError("user", err)
	}
	keys, sessions := []string{part.Profile(w), part.Open(id), part.Dirty()}, []string{}
	for _, ids := range open {
		for session := range strings.SplitSeq(ids, ",") {
			keys, sessions = append(keys, part.Session(session)), append(sessions, session)
		}
	}
	r, err := b.RunJSON(ctx, "block", keys, struct {
		Who      string   `json:"who"`
		Info     string   `json:"info"`
		Blocked  bool     `json:"blocked"`
		Reason   string   `json:"reason"`
		Sessions []string `json:"sessions"`
	}{w, chat.Encode(chat.Person{ID: id}), s.Blocked, s.Reason, sessions})
	return r.Str(0) == "moved", err
}
