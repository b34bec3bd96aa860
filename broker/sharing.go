package broker

import (
	"bellhop/broker/internal/store"
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
	Sent(ctx context.Context, a chat.Actor, m FileMessage) error
	// Unsent takes that back: the message was refused.
	Unsent(ctx context.Context, m FileMessage) error
	// Recalled notes that a message is about to be recalled: nobody reads the file
	// for its sake any more. With back, it was not recalled after all. An error keeps
	// it from being recalled.
	Recalled(ctx context.Context, m FileMessage, back bool) error
}

// FileMessage is a message that sends what is at a url. Ref is its name among all
// messages, the same each time it is sent again with its key.
type FileMessage struct {
	Session, Ref, URL string
}

func newFileMessage(session, by, key, mid, body string) *FileMessage {
	var f struct{ URL string }
	if json.Unmarshal([]byte(body), &f) != nil || f.URL == "" {
		return nil
	}
	return &FileMessage{session, hex.EncodeToString(store.KeySum(by, key, mid)), f.URL}
}

// sharing lets those who may read the session read the file that a message sends.
func (b *Broker) sharing(ctx context.Context, a chat.Actor, r chat.SendRequest, d *draft, mid string) (*FileMessage, error) {
	switch r.Type {
	case chat.TypeImage, chat.TypeVoice, chat.TypeVideo, chat.TypeFile:
	default:
		return nil, nil //nolint:nilnil // it sends none
	}
	if b.opt.Files == nil {
		return nil, nil //nolint:nilnil // nobody keeps any
	}
	if d.by[0] != 'h' {
		if err := b.participant(ctx, r.Session, d.by); err != nil && !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) { // send.lua says that
			return nil, err
		}
	}
	m := newFileMessage(r.Session, d.by, r.Key, mid, d.body)
	if m == nil {
		return nil, nil //nolint:nilnil // as above
	}
	return m, b.opt.Files.Sent(ctx, a, *m)
}

// unshare takes back the sharing of a message that was refused. One with a key is
// tried again, or is being tried at this moment.
func (b *Broker) unshare(ctx context.Context, r chat.SendRequest, m *FileMessage, refused error) {
	if m == nil || r.Key != "" || errors.Is(refused, &chat.Error{Code: chat.CodeUnavailable}) {
		return
	}
	if err := b.opt.Files.Unsent(ctx, *m); err != nil {
		b.Log.Warn("a file that was not sent can be read in its session", "session", r.Session, "error", err)
	}
}

// withdrawFile takes the file out of reach that somebody's message has sent,
// before the message is recalled: afterwards nobody knows it. nil: it has sent none.
func (b *Broker) withdrawFile(ctx context.Context, session, by string, seq int64) (*FileMessage, error) {
	if b.opt.Files == nil {
		return nil, nil //nolint:nilnil // nobody keeps any
	}
	found, err := b.ReadLog(ctx, session, seq, seq)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	e := &found[0]
	const slack = time.Minute // of clocks; the script decides
	if e.By != by || !chat.SendsFile(e.Head) || time.Since(time.UnixMilli(e.At)) > recallWindow+slack {
		return nil, nil //nolint:nilnil // not to be recalled by this one, or without a file
	}
	m := newFileMessage(session, e.By, e.Key, chat.MidOf(e.Head), e.Body)
	if m == nil {
		return nil, nil //nolint:nilnil // recalled before
	}
	return m, b.opt.Files.Recalled(ctx, *m, false)
}

// keepFile puts a file back within reach: its message was not recalled.
func (b *Broker) keepFile(ctx context.Context, m *FileMessage) {
	if m == nil {
		return
	}
	if err := b.opt.Files.Recalled(ctx, *m, true); err != nil {
		b.Log.Warn("a file cannot be read, though its message stays", "session", m.Session, "error", err)
	}
}
