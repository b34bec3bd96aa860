package broker

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// What scripts publish on a session's channel: one letter, then fields.
const (
	pubMessage  = 'M' // seq, at, by, kind, origin, key, counts, head, body
	pubRead     = 'R' // by, seq, unread, origin
	pubRecalled = 'X' // seq, kind
	pubSession  = 'S' // JSON {said, snap}
	pubTyping   = 'T' // by, origin, text
	pubStale    = 'L' // nothing: Redis is to be read again
)

const (
	sepField = "\x1f" // ids, keys and JSON hold no control characters
	sepCount = "\x1e"
)

// entry is one message as the log keeps it: a head and a body of JSON, so that
// neither Lua nor the way to a connection ever has to parse it.
type entry struct {
	seq, at int64
	by      string // participant; "" for a system message
	note    bool
	key     string
	head    string // "mid":…,"from":…,"type":…[,"replyTo":…]
	body    string // "" when recalled
}

// line is the entry as an event for one receiver.
func (e *entry) line(session string, own bool) []byte {
	b := make([]byte, 0, 128+len(e.head)+len(e.body)+len(e.key))
	b = append(b, `{"event":"message",`...)
	b = e.append(b, session, own)
	return append(b, '}')
}

func (e *entry) append(b []byte, session string, own bool) []byte {
	b = append(b, `"session":"`...)
	b = append(b, session...)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, e.seq, 10)
	b = append(b, `,"at":"`...)
	b = time.UnixMilli(e.at).UTC().AppendFormat(b, timeLayout)
	b = append(b, `",`...)
	b = append(b, e.head...)
	if e.body == "" {
		b = append(b, `,"recalled":true`...)
	} else {
		b = append(b, `,"body":`...)
		b = append(b, e.body...)
	}
	if own && e.key != "" {
		b = append(b, `,"key":`...)
		b = append(b, quote(e.key)...)
	}
	return b
}

// message is the entry as the API gives it.
func (e *entry) message(session string, own bool) (Message, error) {
	m := Message{Session: session, Seq: e.seq, At: At(e.at)}
	if err := json.Unmarshal([]byte("{"+e.head+"}"), &m); err != nil {
		return m, err
	}
	if e.body == "" {
		m.Recalled = true
	} else {
		m.Body = json.RawMessage(e.body)
	}
	if own {
		m.Key = e.key
	}
	return m, nil
}

// head makes an entry's head.
func head(mid string, from Author, kind string, replyTo int64) string {
	b := make([]byte, 0, 128)
	b = append(b, `"mid":"`...)
	b = append(b, mid...)
	b = append(b, `","from":{"id":`...)
	b = append(b, quote(from.ID)...)
	b = append(b, `,"role":"`...)
	b = append(b, from.Role...)
	b = append(b, `","name":`...)
	b = append(b, quote(from.Name)...)
	b = append(b, `},"type":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	if replyTo > 0 {
		b = append(b, `,"replyTo":`...)
		b = strconv.AppendInt(b, replyTo, 10)
	}
	return string(b)
}

// parseMessage reads what send.lua publishes; counts are the receivers' unread.
func parseMessage(payload string) (e entry, origin string, counts map[string]int64, ok bool) {
	f := strings.SplitN(payload, sepField, 9)
	if len(f) != 9 {
		return e, "", nil, false
	}
	e = entry{by: f[2], note: f[3] == "n", key: f[5], head: f[7], body: f[8]}
	var err1, err2 error
	e.seq, err1 = strconv.ParseInt(f[0], 10, 64)
	e.at, err2 = strconv.ParseInt(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return e, "", nil, false
	}
	if f[6] != "" {
		pairs := strings.Split(f[6], sepCount)
		counts = make(map[string]int64, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			counts[pairs[i]], _ = strconv.ParseInt(pairs[i+1], 10, 64)
		}
	}
	return e, f[4], counts, true
}

// parseSaid reads what a transition publishes.
func parseSaid(payload string) (said []entry, snap string, err error) {
	var p struct {
		Said json.RawMessage
		Snap string
	}
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		return nil, "", err
	}
	if len(p.Said) == 0 || p.Said[0] != '[' { // cjson writes an empty list as {}
		return nil, p.Snap, nil
	}
	var list [][6]json.RawMessage
	if err := json.Unmarshal(p.Said, &list); err != nil {
		return nil, "", err
	}
	for _, raw := range list {
		var e entry
		var kind string
		for i, to := range []any{&e.seq, &e.at, &e.by, &kind, &e.head, &e.body} {
			if err := json.Unmarshal(raw[i], to); err != nil {
				return nil, "", err
			}
		}
		e.note = kind == "n"
		said = append(said, e)
	}
	return said, p.Snap, nil
}

func eventLine(event string, fields any) []byte {
	return []byte(`{"event":"` + event + `",` + encode(fields)[1:])
}

func appendUnread(b []byte, session string, unread, total int64) []byte {
	b = append(b, `{"event":"unread","session":"`...)
	b = append(b, session...)
	b = append(b, `","unread":`...)
	b = strconv.AppendInt(b, unread, 10)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, total, 10)
	return append(b, '}')
}

// personal is what is published on a participant's own channel.
type personal struct {
	Kind       string `json:"kind"` // mine, replaced, revoked, removed, settings, unread
	Session    string `json:"session,omitempty"`
	Role       string `json:"role,omitempty"`
	Conn       string `json:"conn,omitempty"`
	Token      string `json:"token,omitempty"`
	Before     int64  `json:"before,omitempty"` // ms
	Generation int64  `json:"generation,omitempty"`
	Unread     int64  `json:"unread,omitempty"`
	Extra      *struct {
		Kind    string `json:"kind"` // offer, offer-ended
		From    string `json:"from"`
		Note    string `json:"note"`
		Expires int64  `json:"expires"`
		Outcome string `json:"outcome"`
	} `json:"extra,omitempty"`
}

func idOf(who string) string {
	if len(who) < 2 {
		return ""
	}
	return who[2:]
}
