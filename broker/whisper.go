package broker

import (
	"bellhop/broker/internal/store"
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
)

// WhisperRequest is a supervisor's note to those who serve a session.
type WhisperRequest struct {
	Session string
	Text    string
	Key     string
}

// whisperArgs is what whisper.lua is told.
type whisperArgs struct {
	call
	By   string `json:"by"`
	Key  string `json:"key"`
	Hash string `json:"hash"` // of sender and key
	Head string `json:"head"`
	Body string `json:"body"`
}

// Whisper puts a note into a session that a supervisor takes no part in: the
// agents in it see it, the user does not. A key makes it one note, as with Send.
func (b *Broker) Whisper(ctx context.Context, a chat.Actor, r WhisperRequest) (chat.SendReply, error) {
	if err := chat.Allow(a, chat.ActWhisper); err != nil {
		return chat.SendReply{}, err
	}
	p, ok := b.store.Of(r.Session)
	if !ok {
		return chat.SendReply{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	body, err := chat.MessageBody(chat.TypeNote, []byte(chat.Quote(r.Text)), "")
	if err != nil {
		return chat.SendReply{}, err
	}
	if err := chat.ValidText("key", r.Key, chat.MaxID); err != nil {
		return chat.SendReply{}, err
	}
	by, mid := chat.Who(a.Role, a.ID), ulid.Make().String()
	sender := b.limits.Sender(by)
	if _, late, _ := sender.Ask(time.Now()); late != nil {
		return chat.SendReply{}, late
	}
	reply, err := b.store.RunJSON(ctx, "whisper", p.Transition(r.Session, p.Keys(r.Session)), whisperArgs{call{mid, r.Session}, a.ID, r.Key,
		store.KeyHash(by, r.Key, mid), chat.Head(mid, chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, chat.TypeNote, 0), body})
	if err != nil {
		return chat.SendReply{}, err
	}
	sent, err := b.sent(ctx, r.Session, mid, reply)
	if err != nil {
		return sent, b.sessions.Absent(ctx, a, chat.ActWhisper, r.Session, err)
	}
	if !sent.Duplicate {
		b.limits.Count(by, sender)
	}
	return sent, nil
}
