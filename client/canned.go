package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Canned is a reply that agents keep ready: a queue's, one agent's own, or, with
// neither, for all.
type Canned struct {
	ID       string    `json:"id"`
	Queue    string    `json:"queue"`
	Agent    string    `json:"agent"`
	Shortcut string    `json:"shortcut"` // 1 to 64 bytes without spaces
	Title    string    `json:"title"`
	Text     string    `json:"text"` // may name variables, such as {{user.name}}
	Updated  time.Time `json:"updated"`
}

type cannedText struct {
	Text string `json:"text"`
}

// Canned lists the canned replies one may use; queue, if not empty, only that queue's.
func (a API) Canned(ctx context.Context, queue string) ([]Canned, error) {
	var all []Canned
	for q := (url.Values{"limit": {"200"}, "queue": {queue}}); ; {
		var page struct {
			Canned []Canned `json:"canned"`
			Cursor string   `json:"cursor"`
		}
		if err := a.Do(ctx, http.MethodGet, "/canned?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Canned...)
		if page.Cursor == "" {
			return all, nil
		}
		q.Set("cursor", page.Cursor)
	}
}

// PutCanned writes a canned reply under its ID; an agent's is its own.
func (a API) PutCanned(ctx context.Context, c Canned) (Canned, error) {
	var out Canned
	err := a.Do(ctx, http.MethodPut, "/canned/"+url.PathEscape(c.ID), m{"queue": c.Queue, "agent": c.Agent,
		"shortcut": c.Shortcut, "title": c.Title, "text": c.Text}, &out)
	return out, err
}

// DeleteCanned removes a canned reply.
func (a API) DeleteCanned(ctx context.Context, id string) error {
	return a.Do(ctx, http.MethodDelete, "/canned/"+url.PathEscape(id), nil, nil)
}

// RenderCanned gives the text of a canned reply, by its id or shortcut, for a session.
func (a API) RenderCanned(ctx context.Context, id, session string) (string, error) {
	var out cannedText
	err := a.Do(ctx, http.MethodGet, "/canned/"+url.PathEscape(id)+"/render?session="+url.QueryEscape(session), nil, &out)
	return out.Text, err
}

// Canned gives the text of a canned reply, by its id or shortcut, for a session.
func (c *Client) Canned(ctx context.Context, session, canned string) (string, error) {
	var out cannedText
	err := c.Do(ctx, "canned", m{"session": session, "canned": canned}, &out)
	return out.Text, err
}
