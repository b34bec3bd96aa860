package broker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// What a host application says in its own name is a bot's.
const hostBot = "h:bot"

var hostAuthor = Author{"host", RoleBot, ""}

// recallWindow is how long a sender may take a message back.
const recallWindow = 2 * time.Minute

// draft is a message that may be sent, as far as the node can tell.
type draft struct {
	by, body, kind string
	from           Author
	sender         *sender
	quota          quota
	refused        error // only a duplicate may be answered, else this
}

// Send puts a message into a session's log: one round trip, once for each key.
// A participant that sends too fast gets CodeRateLimited, and nothing is stored;
// what it had sent with the same key before is answered all the same.
func (b *Broker) Send(ctx context.Context, a Actor, r SendRequest) (SendReply, error) {
	p, ok := b.of(r.Session)
	if !ok {
		return SendReply{}, Errorf(CodeNotFound, "no such session")
	}
	if r.Type == "" {
		r.Type = TypeText
	}
	d, err := b.draft(ctx, a, r)
	if err != nil {
		return SendReply{}, err
	}
	mid, origin, s := ulid.Make().String(), "", r.Session
	file, err := b.sharing(ctx, a, r, &d, mid)
	if err != nil {
		return SendReply{}, err
	}
	if a.Conn != nil {
		origin = a.Conn.id
		if f := b.hub.live(s); f != nil {
			f.sends(mid, origin)
		}
	}
	keys := []string{p.session(s), p.log(s), p.unread(s), p.read(s), p.authors(s), p.timers(), p.dirty(), p.keys(s),
		p.rate(rateSend, d.by)}
	if d.by[0] == 'a' || d.from.Role == RoleBot {
		keys = append(keys, p.stats())
	} else {
		keys = append(keys, p.states())
	}
	bot := ""
	if d.from.Role == RoleBot {
		bot = "1"
	}
	reply, err := b.run(ctx, "send", keys, s, d.by, keyHash(d.by, r.Key, mid), r.Key, head(mid, d.from, r.Type, r.ReplyTo), d.body,
		d.kind, origin, r.ReplyTo, d.quota.interval, d.quota.burst, bot)
	if err != nil {
		return SendReply{}, err
	}
	if d.refused != nil && reply.str(0) == string(CodeRateLimited) {
		return SendReply{}, d.refused // it has a key, and may be tried again
	}
	sent, err := b.sent(ctx, s, mid, reply)
	if err != nil {
		b.unshare(ctx, r, file, err)
		return sent, b.absent(ctx, a, ActSend, s, err)
	}
	if !sent.Duplicate {
		b.count(d.by, d.sender)
	}
	return sent, nil
}

// draft checks a message and who sends it, and how fast.
func (b *Broker) draft(ctx context.Context, a Actor, r SendRequest) (d draft, err error) {
	if d.body, err = messageBody(r.Type, r.Body, b.opt.BasePath); err != nil {
		return d, err
	}
	if len(r.Key) > MaxID {
		return d, Errorf(CodeTooLarge, "key: at most %d bytes", MaxID)
	}
	if err := validText("key", r.Key, MaxID); err != nil {
		return d, err
	}
	if r.ReplyTo < 0 {
		return d, Errorf(CodeBadRequest, "replyTo: a seq")
	}
	if d.by, d.from, err = b.author(ctx, a, r); err != nil {
		return d, err
	}
	d.kind = "m"
	if r.Type == TypeNote {
		if d.by[0] == 'u' {
			return d, Errorf(CodeForbidden, "notes are agents'")
		}
		d.kind = "n"
	}
	if a.Host && r.As != RoleUser {
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
func (d *draft) screen(ctx context.Context, b *Broker, r SendRequest) error {
	body, err := b.screenBody(ctx, r, d.from, d.body)
	switch {
	case err == nil:
		d.body = body
	case r.Key == "":
		return err
	default:
		d.refused, d.quota = err, duplicatesOnly
	}
	return nil
}

// hurry finds how fast the sender may be, and is.
func (d *draft) hurry(b *Broker, r SendRequest) error {
	d.sender = b.limits.sender(d.by)
	p, late, flood := d.sender.ask(time.Now())
	if late != nil {
		if flood || r.Key == "" {
			return late
		}
		d.refused = late
	}
	d.quota = p
	return nil
}

func (b *Broker) sent(ctx context.Context, session, mid string, r reply) (SendReply, error) {
	if r.str(0) != "dup" {
		return SendReply{Seq: r.num(1), Mid: mid, At: At(r.num(2))}, refusal(r)
	}
	out := SendReply{Seq: r.num(1), At: At(r.num(2)), Mid: headMid(r.str(3)), Duplicate: true}
	if out.Mid != "" {
		out.Duplicate = out.Mid != mid // the client library repeated this very call
		return out, nil
	}
	first, err := b.readLog(ctx, session, out.Seq, out.Seq) // recalled since
	if err != nil {
		return out, err
	}
	if len(first) > 0 {
		out.Mid, out.At = headMid(first[0].head), At(first[0].at)
	}
	return out, nil
}

// author tells in whose name a send is: the actor's, or what a host application says.
func (b *Broker) author(ctx context.Context, a Actor, r SendRequest) (string, Author, error) {
	if !a.Host || a.ID != "" {
		if r.As != "" && r.As != a.Role {
			return "", Author{}, Errorf(CodeForbidden, "as: only for host applications")
		}
		return who(a.Role, a.ID), Author{a.ID, a.Role, a.Name}, nil
	}
	switch r.As {
	case RoleBot:
		return hostBot, hostAuthor, nil
	case RoleSystem, "":
		return "h:system", Author{"", RoleSystem, ""}, nil
	case RoleUser:
		st, err := b.look(ctx, r.Session)
		if err != nil {
			return "", Author{}, err
		}
		return "u:" + st.User.ID, Author{st.User.ID, RoleUser, st.User.Name}, nil
	default:
		return "", Author{}, Errorf(CodeBadRequest, "as: user, bot or system")
	}
}

// keyHash is short, so that a session's keys stay a compact listpack. Without
// a key the mid makes this call, too, one that may be repeated.
func keyHash(by, key, mid string) string {
	return base64.RawStdEncoding.EncodeToString(keySum(by, key, mid))
}

func keySum(by, key, mid string) []byte {
	if key == "" {
		key = "\x00" + mid
	}
	sum := sha256.Sum256([]byte(by + "\x00" + key))
	return sum[:9]
}

// Read moves the reader's mark forward; a seq beyond the last counts as the last.
func (b *Broker) Read(ctx context.Context, a Actor, session string, seq int64) (ReadReply, error) {
	p, ok := b.of(session)
	if !ok {
		return ReadReply{}, Errorf(CodeNotFound, "no such session")
	}
	if seq < 0 {
		return ReadReply{}, Errorf(CodeBadRequest, "seq: not negative")
	}
	reply, err := b.read(ctx, p, a, session, seq)
	if !errors.Is(err, &Error{Code: CodeNotFound}) {
		return reply, err
	}
	// It may have left Redis: a mark moves there only.
	if err := b.revive(ctx, session); err != nil {
		return ReadReply{}, err
	}
	return b.read(ctx, p, a, session, seq)
}

func (b *Broker) read(ctx context.Context, p partition, a Actor, session string, seq int64) (ReadReply, error) {
	origin := ""
	if a.Conn != nil {
		origin = a.Conn.id
	}
	r, err := b.run(ctx, "read", []string{p.session(session), p.unread(session), p.read(session), p.authors(session),
		p.dirty()}, session, who(a.Role, a.ID), seq, origin)
	if err != nil {
		return ReadReply{}, err
	}
	if err := refusal(r); err != nil {
		return ReadReply{}, err
	}
	b.readEnded(ctx, a, session, r.num(1))
	return ReadReply{r.num(1), r.num(2)}, nil
}

// Recall takes one's own message back within two minutes.
func (b *Broker) Recall(ctx context.Context, a Actor, session string, seq int64) error {
	p, ok := b.of(session)
	if !ok {
		return Errorf(CodeNotFound, "no such session")
	}
	if seq < 1 {
		return Errorf(CodeBadRequest, "seq: from 1")
	}
	file, err := b.withdrawFile(ctx, session, who(a.Role, a.ID), seq)
	if err != nil {
		return err
	}
	args := []any{session, who(a.Role, a.ID), seq, ulid.Make().String(), recallWindow.Milliseconds()}
	keys := []string{p.session(session), p.log(session), p.recalled(session), p.authors(session), p.dirty()}
	r, err := b.run(ctx, "recall", keys, args...)
	if err == nil && r.str(0) == "archived" {
		r, err = b.recallArchived(ctx, session, seq, keys, args)
	}
	if err != nil {
		return err
	}
	if r.str(0) == "no_message" {
		b.keepFile(ctx, file)
		return Errorf(CodeNotFound, "no such message")
	}
	if err = refusal(r); err != nil {
		b.keepFile(ctx, file)
		return b.absent(ctx, a, ActRecall, session, err)
	}
	return nil
}

// recallArchived recalls a message that has left the log already: the script is
// told what the archive knows of it.
func (b *Broker) recallArchived(ctx context.Context, session string, seq int64, keys []string, args []any) (reply, error) {
	found := map[int64]entry{}
	if err := b.moved(ctx, session, seq, seq, found); err != nil {
		return nil, err
	}
	e, ok := found[seq]
	switch {
	case !ok:
		return reply{string(CodeTooLate)}, nil
	case e.by == args[1] && e.body == "":
		return reply{"ok"}, nil // recalled before
	}
	return b.run(ctx, "recall", keys, append(args, e.at, e.by, e.key, e.head)...)
}

// Typing passes on that a participant is typing, at most once a second for
// each session and participant; more is dropped.
func (b *Broker) Typing(ctx context.Context, a Actor, session, text string) error {
	p, ok := b.of(session)
	if !ok {
		return Errorf(CodeNotFound, "no such session")
	}
	if !utf8.ValidString(text) || len(text) > MaxNote {
		return Errorf(CodeTooLarge, "text: at most %d bytes", MaxNote)
	}
	w := who(a.Role, a.ID)
	err := b.participant(ctx, session, w)
	if err != nil {
		return err
	}
	origin := ""
	if a.Conn != nil {
		if !a.Conn.m.typed(session) {
			return nil
		}
		origin = a.Conn.id
	}
	if w[0] != 'u' {
		text = ""
	}
	in := FilterInput{Session: session, From: Author{a.ID, a.Role, a.Name}, Type: FilterTyping, Text: text}
	if text, err = b.screen(ctx, in, MaxNote); err != nil {
		text = "" // that somebody types may be known
	}
	return b.publish(ctx, p.session(session), string(pubTyping)+w+sepField+origin+sepField+text)
}

// participant is nil for those who take part in an open session.
func (b *Broker) participant(ctx context.Context, session, w string) error {
	in, ended := false, false
	if f := b.hub.live(session); f != nil {
		f.mu.Lock()
		_, in = f.unread[w]
		ended = f.st != nil && f.st.State == Ended
		f.mu.Unlock()
	}
	if !in {
		st, err := b.look(ctx, session)
		if err != nil {
			return err
		}
		_, in = st.unread[w]
		ended = st.State == Ended
	}
	switch {
	case !in:
		return Errorf(CodeForbidden, "only participants may")
	case ended:
		return Errorf(CodeEnded, "the session has ended")
	}
	return nil
}
