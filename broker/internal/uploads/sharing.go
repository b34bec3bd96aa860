package uploads

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"bellhop/broker/chat"
)

// Files keeps what participants upload.
type Files interface {
	// Sent notes that somebody is about to send a file: from then on the session's
	// readers may read it. It may be repeated, and does nothing where the url is not
	// one of a file kept here. An error keeps the message from being sent.
	Sent(ctx context.Context, a chat.Actor, m Message) error
	// Unsent takes that back: the message was refused.
	Unsent(ctx context.Context, m Message) error
	// Recalled notes that a message is about to be recalled: nobody reads the file
	// for its sake any more. With back, it was not recalled after all. An error keeps
	// it from being recalled.
	Recalled(ctx context.Context, m Message, back bool) error
}

// Message is a message that sends what is at a url. Ref is its name among all
// messages, the same each time it is sent again with its key.
type Message struct {
	Session, Ref, URL string
}

// NewMessage is one of a participant, with the key it was sent with or its mid; nil where its body has no url.
func NewMessage(session, by, key, mid, body string) *Message {
	var f struct{ URL string }
	if json.Unmarshal([]byte(body), &f) != nil || f.URL == "" {
		return nil
	}
	return &Message{session, hex.EncodeToString(chat.KeySum(by, key, mid)), f.URL}
}

// Share lets those who may read the session read the file that a message sends; nil: it
// sends none. The message is somebody's, by, and will have that mid and body.
func (u *Uploads) Share(ctx context.Context, a chat.Actor, r chat.SendRequest, by, mid, body string) (*Message, error) {
	if !chat.IsFile(r.Type) || u.files == nil {
		return nil, nil //nolint:nilnil // it sends none, or nobody keeps any
	}
	if by[0] != 'h' {
		if err := u.sessions.Participant(ctx, r.Session, by); err != nil && !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) { // send.lua says that
			return nil, err
		}
	}
	m := NewMessage(r.Session, by, r.Key, mid, body)
	if m == nil {
		return nil, nil //nolint:nilnil // as above
	}
	return m, u.files.Sent(ctx, a, *m)
}

// Unshare takes back the sharing of a message that was refused. One with a key is
// tried again, or is being tried at this moment.
func (u *Uploads) Unshare(ctx context.Context, r chat.SendRequest, m *Message, refused error) {
	if m == nil || r.Key != "" || errors.Is(refused, &chat.Error{Code: chat.CodeUnavailable}) {
		return
	}
	if err := u.files.Unsent(ctx, *m); err != nil {
		u.store.Log.Warn("a file that was not sent can be read in its session", "session", r.Session, "error", err)
	}
}

// Withdraw takes the file out of reach that somebody's message has sent,
// before the message is recalled: afterwards nobody knows it. nil: it has sent none.
func (u *Uploads) Withdraw(ctx context.Context, session, by string, seq int64) (*Message, error) {
	if u.files == nil {
		return nil, nil //nolint:nilnil // nobody keeps any
	}
	found, err := u.sessions.ReadLog(ctx, session, seq, seq)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	e := &found[0]
	const slack = time.Minute // of clocks; the script decides
	if e.By != by || !chat.SendsFile(e.Head) || time.Since(time.UnixMilli(e.At)) > chat.RecallWindow+slack {
		return nil, nil //nolint:nilnil // not to be recalled by this one, or without a file
	}
	m := NewMessage(session, e.By, e.Key, chat.MidOf(e.Head), e.Body)
	if m == nil {
		return nil, nil //nolint:nilnil // recalled before
	}
	return m, u.files.Recalled(ctx, *m, false)
}

// PutBack puts a file back within reach: its message was not recalled.
func (u *Uploads) PutBack(ctx context.Context, m *Message) {
	if m == nil {
		return
	}
	if err := u.files.Recalled(ctx, *m, true); err != nil {
		u.store.Log.Warn("a file cannot be read, though its message stays", "session", m.Session, "error", err)
	}
}
