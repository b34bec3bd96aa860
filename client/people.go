package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Label adds labels to a session and removes others: staff's words on it.
func (c *Client) Label(ctx context.Context, session string, add, remove []string) (Session, error) {
	return c.session(ctx, "label", labels(m{"session": session}, add, remove))
}

// Label adds labels to a session and removes others.
func (a API) Label(ctx context.Context, session string, add, remove []string) (Session, error) {
	return a.Transition(ctx, session, "label", labels(m{}, add, remove))
}

func labels(fields m, add, remove []string) m {
	if len(add) > 0 {
		fields["add"] = add
	}
	if len(remove) > 0 {
		fields["remove"] = remove
	}
	return fields
}

// UserCard is what staff may know of a user; Reason is nil for agents, Sessions
// are the newest 20, newest first.
type UserCard struct {
	Person
	Blocked  bool          `json:"blocked"`
	Reason   *string       `json:"reason"`
	Sessions []UserSession `json:"sessions"`
}

// UserSession is one session on a user's card.
type UserSession struct {
	ID      string     `json:"id"`
	Queue   string     `json:"queue"`
	State   string     `json:"state"`
	Agent   *Person    `json:"agent"`
	Subject string     `json:"subject"`
	Labels  []string   `json:"labels"`
	Created time.Time  `json:"created"`
	Ended   *time.Time `json:"ended"`
	Rating  *Rating    `json:"rating"`
}

// User shows a user's card.
func (a API) User(ctx context.Context, id string) (UserCard, error) {
	var out UserCard
	err := a.Do(ctx, http.MethodGet, "/users/"+url.PathEscape(id), nil, &out)
	return out, err
}

// BlockUser keeps a user out; the reason is for staff. UnblockUser lets it in again.
func (a API) BlockUser(ctx context.Context, id, reason string) error {
	return a.Do(ctx, http.MethodPut, "/users/"+url.PathEscape(id), m{"blocked": true, "reason": reason}, nil)
}

// UnblockUser lets a user in again.
func (a API) UnblockUser(ctx context.Context, id string) error {
	return a.Do(ctx, http.MethodPut, "/users/"+url.PathEscape(id), m{"blocked": false}, nil)
}
