package broker

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/store"
)

// What a host application says in its own name is a bot's.
const hostBot = "h:bot"

var hostAuthor = chat.Author{ID: "host", Role: chat.RoleBot, Name: ""}

// draft is a message that may be sent, as far as the node can tell.
type draft struct {
	by, body, kind string
	from           chat.Author
	sender         *people.Sender
	quota          people.Quota
	refused        error // only a duplicate may be answered, else this
}

// Send puts a message into a session's log: one round trip, once for each key.
// A participant that sends too fast gets CodeRateLimited, and nothing is stored;
// what it had sent with the same key before is answered all the same.
func (b *Broker) Send(ctx context.Context, a chat.Actor, r chat.SendRequest) (chat.SendReply, error) {
	b.tally.sends.Add(1)
	sent, err := b.send(ctx, a, r)
	if err == nil {
		b.tally.acknowledged.Add(1)
		if sent.Duplicate {
			b.tally.repeated.Add(1)
		}
	}
	return sent, err
}

func (b *Broker) send(ctx context.Context, a chat.Actor, r chat.SendRequest) (chat.SendReply, error) {
	p, ok := b.store.Of(r.Session)
	if !ok {
		return chat.SendReply{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if r.Type == "" {
		r.Type = chat.TypeText
	}
	d, err := b.draft(ctx, a, r)
	if err != nil {
		return chat.SendReply{}, err
	}
	mid, origin, s := ulid.Make().String(), a.Origin(), r.Session
	file, err := b.uploads.Share(ctx, a, r, d.by, mid, d.body)
	if err != nil {
		return chat.SendReply{}, err
	}
	op, other := b.hub.Sends(s, mid, origin, d.by, d.kind == "n")
	bot := ""
	if d.from.Role == chat.RoleBot {
		bot = "1"
	}
	keys := []string{p.Session(s), p.Log(s), p.Unread(s), p.Read(s), p.Authors(s), p.Keys(s), p.Rate(people.RateSend, d.by)}
	reply, err := b.sends.Run(ctx, p, keys, s, d.by, store.KeyHash(d.by, r.Key, mid), r.Key, chat.Head(mid, d.from, r.Type, r.ReplyTo), d.body,
		d.kind, origin, r.ReplyTo, d.quota.Interval, d.quota.Burst, bot, op, other)
	if err != nil {
		return chat.SendReply{}, err
	}
	if d.refused != nil && reply.Str(0) == string(chat.CodeRateLimited) {
		return chat.SendReply{}, d.refused // it has a key, and may be tried again
	}
	sent, err := b.sent(ctx, s, mid, reply)
	if err != nil {
		b.uploads.Unshare(ctx, r, file, err)
		return sent, b.sessions.Absent(ctx, a, chat.ActSend, s, err)
	}
	if !sent.Duplicate {
		b.limits.Count(d.by, d.sender)
	}
	return sent, nil
}

// draft checks a message and who sends it, and how fast.
func (b *Broker) draft(ctx context.Context, a chat.Actor, r chat.SendRequest) (d draft, err error) {
	if d.body, err = chat.MessageBody(r.Type, r.Body, b.opt.BasePath); err != nil {
		return d, err
	}
	if len(r.Key) > chat.MaxID {
		return d, chat.Errorf(chat.CodeTooLarge, "key: at most %d bytes", chat.MaxID)
	}
	if err := chat.ValidText("key", r.Key, chat.MaxID); err != nil {
		return d, err
	}
	if r.ReplyTo < 0 {
		return d, chat.Errorf(chat.CodeBadRequest, "replyTo: a seq")
	}
	if d.by, d.from, err = b.author(ctx, a, r); err != nil {
		return d, err
	}
	d.kind = "m"
	if r.Type == chat.TypeNote {
		if d.by[0] == 'u' {
			return d, chat.Errorf(chat.CodeForbidden, "notes are agents'")
		}
		d.kind = "n"
	}
	if a.Host && r.As != chat.RoleUser {
		return d, nil
	}
	if !a.Host {
		if err := d.hurry(b, r); err != nil {
			return d, err
		}
	}
	if d.refused == nil {
		err = d.screen(ctx, b, r)
	}
	return d, err
}

// screen shows the message to the filter. One with a key that it refuses may have
// been stored before there was a filter.
func (d *draft) screen(ctx context.Context, b *Broker, r chat.SendRequest) error {
	body, err := b.screenBody(ctx, r, d.from, d.body)
	switch {
	case err == nil:
		d.body = body
	case r.Key == "":
		return err
	default:
		d.refused, d.quota = err, people.DuplicatesOnly
	}
	return nil
}

// hurry finds how fast the sender may be, and is.
func (d *draft) hurry(b *Broker, r chat.SendRequest) error {
	d.sender = b.limits.Sender(d.by)
	p, late, flood := d.sender.Ask(time.Now())
	if late != nil {
		if flood || r.Key == "" {
			return late
		}
		d.refused = late
	}
	d.quota = p
	return nil
}

func (b *Broker) sent(ctx context.Context, session, mid string, r store.Reply) (chat.SendReply, error) {
	if r.Str(0) != "dup" {
		return chat.SendReply{Seq: r.Num(1), Mid: mid, At: chat.At(r.Num(2))}, store.Refused(r)
	}
	out := chat.SendReply{Seq: r.Num(1), At: chat.At(r.Num(2)), Mid: chat.MidOf(r.Str(3)), Duplicate: true}
	if out.Mid != "" {
		out.Duplicate = out.Mid != mid // the client library repeated this very call
		return out, nil
	}
	first, err := b.sessions.ReadLog(ctx, session, out.Seq, out.Seq) // recalled since
	if err != nil {
		return out, err
	}
	if len(first) > 0 {
		out.Mid, out.At = chat.MidOf(first[0].Head), chat.At(first[0].At)
	}
	return out, nil
}

// author tells in whose name a send is: the actor's, or what a host application says.
func (b *Broker) author(ctx context.Context, a chat.Actor, r chat.SendRequest) (string, chat.Author, error) {
	if !a.Host || a.ID != "" {
		if r.As != "" && r.As != a.Role {
			return "", chat.Author{}, chat.Errorf(chat.CodeForbidden, "as: only for host applications")
		}
		return chat.Who(a.Role, a.ID), chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, nil
	}
	switch r.As {
	case chat.RoleBot:
		return hostBot, hostAuthor, nil
	case chat.RoleSystem, "":
		return "h:system", chat.Author{ID: "", Role: chat.RoleSystem, Name: ""}, nil
	case chat.RoleUser:
		st, err := b.sessions.Look(ctx, r.Session)
		if err != nil {
			return "", chat.Author{}, err
		}
		return "u:" + st.User.ID, chat.Author{ID: st.User.ID, Role: chat.RoleUser, Name: st.User.Name}, nil
	default:
		return "", chat.Author{}, chat.Errorf(chat.CodeBadRequest, "as: user, bot or system")
	}
}

// Read moves the reader's mark forward; a seq beyond the last counts as the last.
func (b *Broker) Read(ctx context.Context, a chat.Actor, session string, seq int64) (chat.ReadReply, error) {
	p, ok := b.store.Of(session)
	if !ok {
		return chat.ReadReply{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if seq < 0 {
		return chat.ReadReply{}, chat.Errorf(chat.CodeBadRequest, "seq: not negative")
	}
	reply, err := b.read(ctx, p, a, session, seq)
	if !errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
		return reply, err
	}
	// It may have left Redis: a mark moves there only.
	if err := b.revive(ctx, session); err != nil {
		return chat.ReadReply{}, err
	}
	p, _ = b.store.Of(session) // of one with an id of before it is known only now
	return b.read(ctx, p, a, session, seq)
}

func (b *Broker) read(ctx context.Context, p store.Partition, a chat.Actor, session string, seq int64) (chat.ReadReply, error) {
	r, err := b.store.Run(ctx, "read", []string{p.Session(session), p.Unread(session), p.Read(session), p.Authors(session),
		p.Dirty()}, session, chat.Who(a.Role, a.ID), seq, a.Origin())
	if err != nil {
		return chat.ReadReply{}, err
	}
	if err := store.Refused(r); err != nil {
		return chat.ReadReply{}, err
	}
	if c := device(a); c != nil {
		b.hub.ReadEnded(ctx, c, session, r.Num(1))
	}
	return chat.ReadReply{Unread: r.Num(1), ReadSeq: r.Num(2)}, nil
}

// Recall takes one's own message back within two minutes.
func (b *Broker) Recall(ctx context.Context, a chat.Actor, session string, seq int64) error {
	p, ok := b.store.Of(session)
	if !ok {
		return chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if seq < 1 {
		return chat.Errorf(chat.CodeBadRequest, "seq: from 1")
	}
	file, err := b.uploads.Withdraw(ctx, session, chat.Who(a.Role, a.ID), seq)
	if err != nil {
		return err
	}
	args := []any{session, chat.Who(a.Role, a.ID), seq, ulid.Make().String(), chat.RecallWindow.Milliseconds()}
	keys := []string{p.Session(session), p.Log(session), p.Recalled(session), p.Authors(session), p.Dirty()}
	r, err := b.store.Run(ctx, "recall", keys, args...)
	if err == nil && r.Str(0) == "archived" {
		r, err = b.recallArchived(ctx, session, seq, keys, args)
	}
	if err != nil {
		return err
	}
	if r.Str(0) == "no_message" {
		b.uploads.PutBack(ctx, file)
		return chat.Errorf(chat.CodeNotFound, "no such message")
	}
	if err = store.Refused(r); err != nil {
		b.uploads.PutBack(ctx, file)
		return b.sessions.Absent(ctx, a, chat.ActRecall, session, err)
	}
	return nil
}

// recallArchived recalls a message that has left the log already: the script is
// told what the archive knows of it.
func (b *Broker) recallArchived(ctx context.Context, session string, seq int64, keys []string, args []any) (store.Reply, error) {
	found := map[int64]chat.Entry{}
	if err := b.sessions.Moved(ctx, session, seq, seq, found); err != nil {
		return nil, err
	}
	e, ok := found[seq]
	switch {
	case !ok:
		return store.Reply{string(chat.CodeTooLate)}, nil
	case e.By == args[1] && e.Body == "":
		return store.Reply{"ok"}, nil // recalled before
	}
	return b.store.Run(ctx, "recall", keys, append(args, e.At, e.By, e.Key, e.Head)...)
}

// Typing passes on that a participant is typing, at most once a second for
// each session and participant; more is dropped.
func (b *Broker) Typing(ctx context.Context, a chat.Actor, session, text string) error {
	p, ok := b.store.Of(session)
	if !ok {
		return chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if !utf8.ValidString(text) || len(text) > chat.MaxNote {
		return chat.Errorf(chat.CodeTooLarge, "text: at most %d bytes", chat.MaxNote)
	}
	w := chat.Who(a.Role, a.ID)
	err := b.participant(ctx, session, w)
	if err != nil {
		return err
	}
	if c := device(a); c != nil && !c.MayType(session) {
		return nil
	}
	if w[0] != 'u' {
		text = ""
	}
	in := chat.FilterInput{Session: session, From: chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}, Type: chat.FilterTyping, Text: text}
	if text, err = b.screen(ctx, in, chat.MaxNote); err != nil {
		text = "" // that somebody types may be known
	}
	return b.store.Publish(ctx, p.Session(session), string(chat.PubTyping)+w+chat.SepField+a.Origin()+chat.SepField+text)
}

// participant is nil for those who take part in an open session.
func (b *Broker) participant(ctx context.Context, session, w string) error {
	in, ended := b.hub.TakesPart(session, w)
	if !in {
		st, err := b.sessions.Look(ctx, session)
		if err != nil {
			return err
		}
		_, in = st.Counts[w]
		ended = st.State == chat.Ended
	}
	switch {
	case !in:
		return chat.Errorf(chat.CodeForbidden, "only participants may")
	case ended:
		return chat.Errorf(chat.CodeEnded, "the session has ended")
	}
	return nil
}
