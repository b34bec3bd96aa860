package hooks

import (
	"context"
	"encoding/json"
	"strings"

	"bellhop/broker/chat"
)

// The types of events that are not a session's, whose types are `session.` and
// what its system message says.
const (
	createdType  = "message.created"
	recalledType = "message.recalled"
	unheardType  = "message.unheard"
)

// steps a message has: itself, and that its receiver has no connection.
// `hooked` counts them, so step seq·2−1 is the message seq itself.
const steps = 2

// event is one as it goes to the hook.
type event struct {
	id, kind string
	session  string
	seq, at  int64 // at: ms
	step     int64
	body     []byte
}

// payload is an event's body, in the form of Standard Webhooks.
type payload struct {
	Type      string    `json:"type"`
	Timestamp chat.Time `json:"timestamp"`
	Data      subject   `json:"data"`
}

// subject is what an event is about.
type subject struct {
	Session  chat.Session  `json:"session"`
	Message  chat.Message  `json:"message"`
	Recalled *chat.Message `json:"recalled,omitempty"` // what was taken back, without its text
	Internal bool          `json:"internal,omitempty"` // users must not see it
}

// kindOf is the type of the event that an entry is; "" if it is none.
func kindOf(e *chat.Entry, m *chat.Message) (kind string, recalled int64) {
	if e.By != "" || m.Type != chat.TypeSystem {
		return createdType, 0
	}
	var body struct {
		What string
		Seq  int64
	}
	if json.Unmarshal(m.Body, &body) != nil || body.What == "" {
		return "", 0 // it takes the place of a message that was lost
	}
	if body.What == "recalled" {
		return recalledType, body.Seq
	}
	return "session." + strings.ReplaceAll(body.What, "-", "_"), 0
}

// event makes the event that an entry is; nil if it is none.
func (h *Teller) event(ctx context.Context, st *chat.Snapshot, e *chat.Entry) (*event, error) {
	shown := chat.WithBase(h.base, *e)
	m, err := shown.Message(st.ID, strings.HasPrefix(e.By, "h:"))
	if err != nil {
		return nil, err
	}
	kind, seq := kindOf(e, &m)
	if kind == "" {
		return nil, nil //nolint:nilnil // an entry without an event is no error
	}
	data := subject{Session: st.As("u:" + st.User.ID), Message: m, Internal: e.Note}
	if seq > 0 {
		found, err := h.sessions.ReadLog(ctx, st.ID, seq, seq)
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
	return newEvent(kind, "evt_"+m.Mid, st.ID, e, data, steps*e.Seq-1), nil
}

func newEvent(kind, id, session string, e *chat.Entry, data subject, step int64) *event {
	body := chat.Encode(payload{kind, chat.At(e.At), data})
	return &event{id: id, kind: kind, session: session, seq: e.Seq, at: e.At, step: step, body: []byte(body)}
}

// unheard makes the event that the user has no connection and has not read a
// message; nil where that is not so.
func (h *Teller) unheard(ctx context.Context, st *chat.Snapshot, e *chat.Entry) (*event, error) {
	w := "u:" + st.User.ID
	if e.Note || e.By == "" || e.By == w || e.Body == "" {
		return nil, nil //nolint:nilnil // nothing to be heard by the user
	}
	if heard, err := h.sessions.Heard(ctx, st.ID, st.User.ID, e.Seq); err != nil || heard {
		return nil, err
	}
	return h.unheardEvent(st, e)
}

func (h *Teller) unheardEvent(st *chat.Snapshot, e *chat.Entry) (*event, error) {
	shown := chat.WithBase(h.base, *e)
	m, err := shown.Message(st.ID, strings.HasPrefix(e.By, "h:"))
	if err != nil {
		return nil, err
	}
	data := subject{Session: st.As("u:" + st.User.ID), Message: m}
	return newEvent(unheardType, "evt_"+m.Mid+"_unheard", st.ID, e, data, steps*e.Seq), nil
}
