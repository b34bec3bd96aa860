package broker

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"
)

// WhisperRequest is a supervisor's note to those who serve a session.
type WhisperRequest struct {
	Session string
	Text    string
	Key     string
}

// Whisper puts a note into a session that a supervisor takes no part in: the
// agents in it see it, the user does not. A key makes it one note, as with Send.
func (b *Broker) Whisper(ctx context.Context, a Actor, r WhisperRequest) (SendReply, error) {
	if err := Allow(a, ActWhisper); err != nil {
		return SendReply{}, err
	}
	p, ok := b.of(r.Session)
	if !ok {
		return SendReply{}, Errorf(CodeNotFound, "no such session")
	}
	body, err := messageBody(TypeNote, []byte(quote(r.Text)), "")
	if err != nil {
		return SendReply{}, err
	}
	if err := validText("key", r.Key, MaxID); err != nil {
		return SendReply{}, err
	}
	by, mid := who(a.Role, a.ID), ulid.Make().String()
	sender := b.limits.sender(by)
	if _, late, _ := sender.ask(time.Now()); late != nil {
		return SendReply{}, late
	}
	reply, err := b.runJSON(ctx, "whisper", p.transition(r.Session, p.keys(r.Session)), map[string]string{"op": mid,
		"session": r.Session, "by": a.ID, "key": r.Key, "hash": keyHash(by, r.Key, mid), "body": body,
		"head": head(mid, Author{a.ID, a.Role, a.Name}, TypeNote, 0)})
	if err != nil {
		return SendReply{}, err
	}
	sent, err := b.sent(ctx, r.Session, mid, reply)
	if err != nil {
		return sent, b.absent(ctx, a, ActWhisper, r.Session, err)
	}
	if !sent.Duplicate {
		b.count(by, sender)
	}
	return sent, nil
}
