package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/oklog/ulid/v2"
)

type m = map[string]any

type sessionReply struct {
	Session Session `json:"session"`
}

func (c *Client) session(ctx context.Context, cmd string, fields any) (Session, error) {
	var out sessionReply
	err := c.Do(ctx, cmd, fields, &out)
	return out.Session, err
}

// Ping asks the server for its time.
func (c *Client) Ping(ctx context.Context) (time.Time, error) {
	var out struct{ At time.Time }
	err := c.Do(ctx, "ping", nil, &out)
	return out.At, err
}

// OpenRequest asks for a session; Queue "default" when empty.
type OpenRequest struct {
	Queue   string          `json:"queue,omitempty"`
	Subject string          `json:"subject,omitempty"`
	Meta    json.RawMessage `json:"meta,omitempty"`
}

// Open opens a session, or gives the one that is open in that queue.
func (c *Client) Open(ctx context.Context, r OpenRequest) (Session, error) {
	return c.session(ctx, "open", r)
}

// SendRequest is a message; Type "text" and a Key of its own when empty.
type SendRequest struct {
	Session string `json:"session"`
	Type    string `json:"type,omitempty"`
	Body    any    `json:"body"`
	Key     string `json:"key"`
	ReplyTo int64  `json:"replyTo,omitempty"`
}

// Send sends a message and waits until it is acknowledged, over as many
// connections as that takes: it becomes one message, whatever happens.
func (c *Client) Send(ctx context.Context, r SendRequest) (SendReply, error) {
	if r.Key == "" {
		r.Key = ulid.Make().String()
	}
	var out SendReply
	data, err := json.Marshal(r)
	if err != nil {
		return out, err
	}
	k := &call{cmd: "send", fields: data, session: r.Session, key: r.Key, out: &out, done: make(chan error, 1)}
	if err := c.start(k); err != nil {
		return out, err
	}
	err = c.wait(ctx, k)
	return out, err
}

// SendText sends a text.
func (c *Client) SendText(ctx context.Context, session, text string) (SendReply, error) {
	return c.Send(ctx, SendRequest{Session: session, Body: text})
}

// Read moves one's mark forward.
func (c *Client) Read(ctx context.Context, session string, seq int64) (ReadReply, error) {
	var out ReadReply
	err := c.Do(ctx, "read", m{"session": session, "seq": seq}, &out)
	return out, err
}

// Typing shows that one is typing. There is no answer unless it is refused, so
// none is waited for.
func (c *Client) Typing(session, text string) error {
	data, err := json.Marshal(m{"session": session, "text": text})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.greeted {
		return errDisconnected
	}
	c.lastID++
	c.write(&call{id: c.lastID, cmd: "typing", fields: data})
	return nil
}

// Recall takes one's own message back.
func (c *Client) Recall(ctx context.Context, session string, seq int64) error {
	return c.Do(ctx, "recall", m{"session": session, "seq": seq}, nil)
}

// HistoryRequest asks for a page: after or before a seq, both exclusive, or the newest.
type HistoryRequest struct {
	Session string `json:"session"`
	After   *int64 `json:"after,omitempty"`
	Before  *int64 `json:"before,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	Mid     string `json:"mid,omitempty"`
}

// History gives a page of a log.
func (c *Client) History(ctx context.Context, r HistoryRequest) (HistoryReply, error) {
	var out HistoryReply
	err := c.Do(ctx, "history", r, &out)
	return out, err
}

func (c *Client) historyAfter(ctx context.Context, session string, after int64, mid string) (HistoryReply, error) {
	return c.History(ctx, HistoryRequest{Session: session, After: &after, Mid: mid, Limit: 200})
}

// SessionsRequest filters one's sessions; State is a comma-separated list.
type SessionsRequest struct {
	State  string `json:"state,omitempty"`
	Queue  string `json:"queue,omitempty"`
	Label  string `json:"label,omitempty"` // not for users
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// Sessions lists one's sessions, newest first, and gives the next page's cursor.
func (c *Client) Sessions(ctx context.Context, r SessionsRequest) ([]Session, string, error) {
	var out struct {
		Sessions []Session `json:"sessions"`
		Cursor   string    `json:"cursor"`
	}
	err := c.Do(ctx, "sessions", r, &out)
	return out.Sessions, out.Cursor, err
}

// Grab takes a waiting session; exactly one of all who try gets it.
func (c *Client) Grab(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "grab", m{"session": session})
}

// GrabQueue takes the first in line.
func (c *Client) GrabQueue(ctx context.Context, queue string) (Session, error) {
	return c.session(ctx, "grab", m{"queue": queue})
}

// TransferToAgent offers a session to a colleague.
func (c *Client) TransferToAgent(ctx context.Context, session, agent, note string) (Session, error) {
	return c.session(ctx, "transfer", m{"session": session, "to": m{"agent": agent}, "note": note})
}

// TransferToQueue puts a session into a queue.
func (c *Client) TransferToQueue(ctx context.Context, session, queue, note string) (Session, error) {
	return c.session(ctx, "transfer", m{"session": session, "to": m{"queue": queue}, "note": note})
}

// Accept takes an offer.
func (c *Client) Accept(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "accept", m{"session": session})
}

// Decline refuses an offer.
func (c *Client) Decline(ctx context.Context, session, reason string) (Session, error) {
	return c.session(ctx, "decline", m{"session": session, "reason": reason})
}

// Cancel takes one's offer back.
func (c *Client) Cancel(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "cancel", m{"session": session})
}

// Join takes part beside the owner; silent watches unseen.
func (c *Client) Join(ctx context.Context, session string, silent bool) (Session, error) {
	return c.session(ctx, "join", m{"session": session, "silent": silent})
}

// Leave ends that.
func (c *Client) Leave(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "leave", m{"session": session})
}

// End ends a session, or asks its user to confirm.
func (c *Client) End(ctx context.Context, session, reason string, force bool) (Session, error) {
	return c.session(ctx, "end", m{"session": session, "reason": reason, "force": force})
}

// Rate says what one, the user, thought of an ended session: a score of 1 to 5.
func (c *Client) Rate(ctx context.Context, session string, score int, comment string) (Session, error) {
	return c.session(ctx, "rate", m{"session": session, "score": score, "comment": comment})
}

// Reopen lets an ended session wait again.
func (c *Client) Reopen(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "reopen", m{"session": session})
}

// TakeOver makes a supervisor the owner of a session, whatever state it is in.
func (c *Client) TakeOver(ctx context.Context, session string) (Session, error) {
	return c.session(ctx, "takeover", m{"session": session})
}

// Whisper puts a supervisor's note into a session it takes no part in.
func (c *Client) Whisper(ctx context.Context, session, text, key string) (SendReply, error) {
	var out SendReply
	err := c.Do(ctx, "whisper", m{"session": session, "text": text, "key": key}, &out)
	return out, err
}

// SetStatus says online, away or offline.
func (c *Client) SetStatus(ctx context.Context, status string) (StatusReply, error) {
	var out StatusReply
	err := c.Do(ctx, "status", m{"status": status}, &out)
	return out, err
}

// Watch shows queues, one's own when none is named; their events follow.
func (c *Client) Watch(ctx context.Context, queues ...string) ([]QueueView, error) {
	var out struct {
		Queues []QueueView `json:"queues"`
	}
	fields := m{}
	if len(queues) > 0 {
		fields["queues"] = queues
	}
	err := c.Do(ctx, "watch", fields, &out)
	return out.Queues, err
}
