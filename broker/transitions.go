package broker

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// What a transition's script is told is a struct beside the one function that runs
// it, with the keys. All of it is read by the script: TestScriptsReadWhatTheyAreTold.

// call is what each is told.
type call struct {
	Op      string `json:"op"` // this call's own id: a script that runs twice knows it again
	Session string `json:"session"`
}

func newCall(session string) call { return call{ulid.Make().String(), session} }

// caller is told to those that ask who acts, too; no one where the broker does.
type caller struct {
	call
	By   string `json:"by"`             // an id, or a participant: the script's header says which
	Boss bool   `json:"boss,omitempty"` // may, whoever the session belongs to
}

func calledBy(a chat.Actor, action chat.Action, session string) caller {
	return caller{newCall(session), a.ID, chat.May(a, action)}
}

// noteEntry is a note that a transition appends.
type noteEntry struct {
	By   string `json:"by"`
	Mid  string `json:"mid"`
	Head string `json:"head"`
	Body string `json:"body"`
}

// note is nil where there is no text.
func note(a chat.Actor, text string) *noteEntry {
	if text == "" {
		return nil
	}
	by, from := chat.Who(a.Role, a.ID), chat.Author{ID: a.ID, Role: a.Role, Name: a.Name}
	if a.Host && a.ID == "" {
		by, from = hostBot, hostAuthor
	}
	mid := ulid.Make().String()
	return &noteEntry{by, mid, chat.Head(mid, from, chat.TypeNote, 0), chat.Quote(text)}
}

// where tells a session's queue and user: from its feed, else from Redis. It
// may be outdated; scripts that depend on it answer 'moved' then.
func (b *Broker) where(ctx context.Context, p store.Partition, session string) (queue, user string, err error) {
	if queue, user = b.hub.Locate(session); queue != "" {
		return queue, user, nil
	}
	v, err := b.store.Pipe.HMGet(ctx, p.Session(session), "queue", "user").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", "", store.RedisError("session", err)
	}
	queue, ok := v[0].(string)
	if !ok {
		return "", "", chat.Errorf(chat.CodeNotFound, "no such session")
	}
	user, _ = v[1].(string)
	return queue, user, nil
}

// transit makes what a transition's script replies the answer. A script that refused
// somebody of whom an earlier version did not keep that it took part is run again.
func (b *Broker) transit(ctx context.Context, a chat.Actor, action chat.Action, session string,
	run func(p store.Partition) (store.Reply, error)) (chat.Session, error) {
	p, ok := b.store.Of(session)
	if !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	for asked := false; ; asked = true {
		r, err := run(p)
		if err != nil {
			return chat.Session{}, err
		}
		again, err := b.sessions.Enrolled(ctx, a, session, r)
		if err != nil {
			return chat.Session{}, err
		}
		if again && !asked {
			continue
		}
		if err := store.Refused(r); err != nil {
			return chat.Session{}, b.sessions.Absent(ctx, a, action, session, err)
		}
		return b.answer(ctx, a, session, r)
	}
}

// relocate is transit for a script whose keys depend on the session's queue and user.
func (b *Broker) relocate(ctx context.Context, a chat.Actor, action chat.Action, session string,
	run func(p store.Partition, queue, user string) (store.Reply, error)) (chat.Session, error) {
	return b.transit(ctx, a, action, session, func(store.Partition) (store.Reply, error) { return b.follow(ctx, session, run) })
}

// follow runs a script with the queue and user that the session is thought to have, and
// with those it has where the script answers 'moved'.
func (b *Broker) follow(ctx context.Context, session string, run func(p store.Partition, queue, user string) (store.Reply, error)) (store.Reply, error) {
	p, _ := b.store.Of(session)
	queue, user, err := b.where(ctx, p, session)
	if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
		return store.Reply{"not_found"}, nil // as the script would
	}
	if err != nil {
		return nil, err
	}
	for range 5 {
		r, err := run(p, queue, user)
		if err != nil || r.Str(0) != "moved" {
			return r, err
		}
		queue, user = r.Str(1), r.Str(2)
	}
	return nil, chat.Errorf(chat.CodeUnavailable, "the session keeps moving; try again")
}

// settlePatience bounds what goes on after an answer.
const settlePatience = 10 * time.Second

// answer turns a transition's reply into the caller's, and carries out what it owes
// elsewhere. A transition that frees a place answers when the place is free.
func (b *Broker) answer(ctx context.Context, a chat.Actor, session string, r store.Reply) (chat.Session, error) {
	st, err := chat.ParseState(session, r.Str(1))
	if err != nil {
		return chat.Session{}, err
	}
	return b.concluded(ctx, a, st, r)
}

// concluded is answer where the reply's snapshot has been read.
func (b *Broker) concluded(ctx context.Context, a chat.Actor, st *chat.Snapshot, r store.Reply) (chat.Session, error) {
	var effects []string
	for i := 2; i < len(r); i++ {
		effects = append(effects, r.Str(i))
	}
	carry := func() {
		p, _ := b.store.Of(st.ID)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
		defer cancel()
		b.places.CarryOut(ctx, p, effects)
	}
	grab := len(effects) == 1 && st.State == chat.Serving && st.Agent != nil && st.Agent.ID == a.ID
	if !grab {
		carry()
	}
	if c := device(a); c != nil {
		b.hub.Joined(c, st)
	}
	if grab { // nothing waits for it, and what it tells the agent is old by then
		b.store.Beside("settle", carry)
	}
	if len(effects) == 0 && chat.Table[chat.ActHistory].Verdict(st.Relations(a)) != "" {
		return st.AsOffered(), nil // a decline that is repeated
	}
	return st.As(chat.Who(a.Role, a.ID)), nil
}
