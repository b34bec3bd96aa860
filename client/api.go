package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// API is the HTTP API for host applications. Its methods may be called concurrently.
type API struct {
	BaseURL string       // http://host
	Key     string       // the API key, or a participant's token
	HTTP    *http.Client // http.DefaultClient when nil
}

// TokenRequest asks for a participant's token.
type TokenRequest struct {
	Role     string   `json:"role"` // user, agent, supervisor or bot
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Avatar   string   `json:"avatar,omitempty"`
	Queues   []string `json:"queues,omitempty"`
	Capacity int      `json:"capacity,omitempty"`
	Priority int      `json:"priority,omitempty"`
	TTL      int      `json:"ttl,omitempty"` // seconds, a day when 0
}

// Token is a participant's.
type Token struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Do makes one call under /api/v1; an answer other than 2xx is an *Error.
func (a API) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.BaseURL, "/")+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r, ok := in.(HostMessage); ok && r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	return a.send(req, out)
}

func (a API) send(req *http.Request, out any) error {
	req.Header.Set("Authorization", "Bearer "+a.Key)
	client := a.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req) //nolint:gosec // the caller says which server
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		return refused(res, &Error{Code: "http", Message: res.Status})
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// IssueToken makes a token.
func (a API) IssueToken(ctx context.Context, r TokenRequest) (Token, error) {
	var out Token
	err := a.Do(ctx, http.MethodPost, "/tokens", r, &out)
	return out, err
}

// RevokeToken ends one token and its connections.
func (a API) RevokeToken(ctx context.Context, token string) error {
	return a.Do(ctx, http.MethodPost, "/tokens/revoke", m{"token": token}, nil)
}

// RevokeParticipant ends all of a participant's tokens and connections.
func (a API) RevokeParticipant(ctx context.Context, role, id string) error {
	return a.Do(ctx, http.MethodPost, "/tokens/revoke", m{"role": role, "id": id}, nil)
}

// CreateRequest opens a session for a user.
type CreateRequest struct {
	User     Person          `json:"user"`
	Queue    string          `json:"queue,omitempty"`
	Subject  string          `json:"subject,omitempty"`
	Meta     json.RawMessage `json:"meta,omitempty"`
	Priority int             `json:"priority,omitempty"`
}

// CreateSession opens a session for a user.
func (a API) CreateSession(ctx context.Context, r CreateRequest) (Session, error) {
	var out sessionReply
	err := a.Do(ctx, http.MethodPost, "/sessions", r, &out)
	return out.Session, err
}

// HostMessage is a message of a host application's.
type HostMessage struct {
	As      string `json:"as,omitempty"` // user, bot or system
	Type    string `json:"type,omitempty"`
	Body    any    `json:"body"`
	ReplyTo int64  `json:"replyTo,omitempty"`
	Key     string `json:"-"` // Idempotency-Key
}

// SendMessage puts a message into a session.
func (a API) SendMessage(ctx context.Context, session string, r HostMessage) (SendReply, error) {
	var out SendReply
	err := a.Do(ctx, http.MethodPost, "/sessions/"+url.PathEscape(session)+"/messages", r, &out)
	return out, err
}

// Session shows one session.
func (a API) Session(ctx context.Context, id string) (Session, error) {
	var out sessionReply
	err := a.Do(ctx, http.MethodGet, "/sessions/"+url.PathEscape(id), nil, &out)
	return out.Session, err
}

// Transition calls grab, transfer, accept, decline, cancel, end, join or leave,
// with the command's fields; `agent` among them names who acts.
func (a API) Transition(ctx context.Context, session, name string, fields map[string]any) (Session, error) {
	var out sessionReply
	if fields == nil {
		fields = m{}
	}
	err := a.Do(ctx, http.MethodPost, "/sessions/"+url.PathEscape(session)+"/"+name, fields, &out)
	return out.Session, err
}
