package broker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// The types of events that are not a session's, whose types are `session.` and
// what its system message says.
const (
	hookCreated  = "message.created"
	hookRecalled = "message.recalled"
	hookUnheard  = "message.unheard"
)

// A message has two steps: itself, and that its receiver has no connection.
// `hooked` counts them, so step seq·2−1 is the message seq itself.
const stepsOfMessage = 2

// hookEvent is one event as it goes to the hook.
type hookEvent struct {
	id, kind string
	session  string
	seq, at  int64 // at: ms
	step     int64
	body     []byte
}

// hookBody is the payload, in the form of Standard Webhooks.
type hookBody struct {
	Type      string    `json:"type"`
	Timestamp chat.Time `json:"timestamp"`
	Data      hookData  `json:"data"`
}

type hookData struct {
	Session  chat.Session  `json:"session"`
	Message  chat.Message  `json:"message"`
	Recalled *chat.Message `json:"recalled,omitempty"` // what was taken back, without its text
	Internal bool          `json:"internal,omitempty"` // users must not see it
}

// hookKind is the type of the event that an entry is; "" if it is none.
func hookKind(e *chat.Entry, m *chat.Message) (kind string, recalled int64) {
	if e.By != "" || m.Type != chat.TypeSystem {
		return hookCreated, 0
	}
	var body struct {
		What string
		Seq  int64
	}
	if json.Unmarshal(m.Body, &body) != nil || body.What == "" {
		return "", 0 // it takes the place of a message that was lost
	}
	if body.What == "recalled" {
		return hookRecalled, body.Seq
	}
	return "session." + strings.ReplaceAll(body.What, "-", "_"), 0
}

// hookEvent makes the event that an entry is; nil if it is none.
func (b *Broker) hookEvent(ctx context.Context, st *chat.Snapshot, e *chat.Entry) (*hookEvent, error) {
	shown := chat.WithBase(b.opt.BasePath, *e)
	m, err := shown.Message(st.ID, strings.HasPrefix(e.By, "h:"))
	if err != nil {
		return nil, err
	}
	kind, seq := hookKind(e, &m)
	if kind == "" {
		return nil, nil //nolint:nilnil // an entry without an event is no error
	}
	data := hookData{Session: st.As("u:" + st.User.ID), Message: m, Internal: e.Note}
	if seq > 0 {
		found, err := b.ReadLog(ctx, st.ID, seq, seq)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			back, err := found[0].Message(st.ID, false)
			if err != nil {
				return nil, err
			}
			data.Recalled = &back
		}
	}
	return newHookEvent(kind, "evt_"+m.Mid, st.ID, e, data, stepsOfMessage*e.Seq-1), nil
}

func newHookEvent(kind, id, session string, e *chat.Entry, data hookData, step int64) *hookEvent {
	body := chat.Encode(hookBody{kind, chat.At(e.At), data})
	return &hookEvent{id: id, kind: kind, session: session, seq: e.Seq, at: e.At, step: step, body: []byte(body)}
}

// unheard makes the event that the user has no connection and has not read a
// message; nil where that is not so.
func (b *Broker) unheard(ctx context.Context, p store.Partition, st *chat.Snapshot, e *chat.Entry) (*hookEvent, error) {
	w := "u:" + st.User.ID
	if e.Note || e.By == "" || e.By == w || e.Body == "" {
		return nil, nil //nolint:nilnil // nothing to be heard by the user
	}
	pipe := b.Pipe
	conns, mark := pipe.HLen(ctx, p.Conns(w)), pipe.HGet(ctx, p.Read(st.ID), w)
	if err := conns.Err(); err != nil {
		return nil, store.RedisError("connections", err)
	}
	if err := mark.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return nil, store.RedisError("read", err)
	}
	if read, _ := mark.Int64(); conns.Val() > 0 || read >= e.Seq {
		return nil, nil //nolint:nilnil // heard
	}
	return b.unheardEvent(st, e)
}

func (b *Broker) unheardEvent(st *chat.Snapshot, e *chat.Entry) (*hookEvent, error) {
	shown := chat.WithBase(b.opt.BasePath, *e)
	m, err := shown.Message(st.ID, strings.HasPrefix(e.By, "h:"))
	if err != nil {
		return nil, err
	}
	data := hookData{Session: st.As("u:" + st.User.ID), Message: m}
	return newHookEvent(hookUnheard, "evt_"+m.Mid+"_unheard", st.ID, e, data, stepsOfMessage*e.Seq), nil
}
