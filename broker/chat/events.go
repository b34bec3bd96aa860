package chat

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What scripts publish on a session's channel: one letter, then fields.
const (
	PubMessage  = 'M' // seq, at, by, kind, origin, key, counts and perhaps trace, head, body
	PubRead     = 'R' // by, seq, unread, origin
	PubRecalled = 'X' // seq, kind
	PubSession  = 'S' // JSON {said, snap, trace?}
	PubTyping   = 'T' // by, origin, text
	PubStale    = 'L' // nothing: Redis is to be read again
)

// SepField stands between fields; ids, keys and JSON hold no control characters.
const (
	SepField = "\x1f"
	sepCount = "\x1e"
)

// Entry is one message as the log keeps it: a head and a body of JSON, so that
// neither Lua nor the way to a connection ever has to parse it.
type Entry struct {
	Seq, At int64
	By      string // participant; "" for a system message
	Note    bool
	Key     string
	Head    string // "mid":…,"from":…,"type":…[,"replyTo":…]
	Body    string // "" when recalled
}

// Line is the entry as an event for one receiver.
func (e *Entry) Line(session string, own bool) []byte {
	b := make([]byte, 0, 128+len(e.Head)+len(e.Body)+len(e.Key))
	b = append(b, `{"event":"message",`...)
	b = e.appendTo(b, session, own)
	return append(b, '}')
}

func (e *Entry) appendTo(b []byte, session string, own bool) []byte {
	b = append(b, `"session":"`...)
	b = append(b, session...)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, `,"at":"`...)
	b = time.UnixMilli(e.At).UTC().AppendFormat(b, timeLayout)
	b = append(b, `",`...)
	b = append(b, e.Head...)
	if e.Body == "" {
		b = append(b, `,"recalled":true`...)
	} else {
		b = append(b, `,"body":`...)
		b = append(b, e.Body...)
	}
	if own && e.Key != "" {
		b = append(b, `,"key":`...)
		b = append(b, Quote(e.Key)...)
	}
	return b
}

// Message is the entry as the API gives it.
func (e *Entry) Message(session string, own bool) (Message, error) {
	m := Message{Session: session, Seq: e.Seq, At: At(e.At)}
	if err := json.Unmarshal([]byte("{"+e.Head+"}"), &m); err != nil {
		return m, err
	}
	m.show(e, own)
	return m, nil
}

// show is what of an entry is not in its head.
func (m *Message) show(e *Entry, own bool) {
	if e.Body == "" {
		m.Recalled = true
	} else {
		m.Body = json.RawMessage(e.Body)
	}
	if own {
		m.Key = e.Key
	}
}

// Heads reads the heads of entries that follow each other. All that one sender says has the same head but for its mid,
// so that most are read already.
type Heads struct {
	rest string // of the last head, after its mid
	is   Message
}

// Message is as Entry's.
func (h *Heads) Message(e *Entry, session string, own bool) (Message, error) {
	mid := MidOf(e.Head)
	rest, ok := strings.CutPrefix(e.Head, `"mid":"`+mid+`"`)
	if !ok || rest == "" || rest != h.rest || !plainMid(mid) {
		m, err := e.Message(session, own)
		if h.rest, h.is = rest, m; err != nil || !ok {
			h.rest = ""
		}
		return m, err
	}
	m := Message{Session: session, Seq: e.Seq, At: At(e.At), Mid: mid, From: h.is.From, Type: h.is.Type, ReplyTo: h.is.ReplyTo}
	m.show(e, own)
	return m, nil
}

// plainMid tells whether a mid is written as it is.
func plainMid(mid string) bool {
	return !strings.ContainsFunc(mid, func(r rune) bool { return r < ' ' || r == '\\' || r >= utf8.RuneSelf })
}

// Head makes an entry's head.
func Head(mid string, from Author, kind string, replyTo int64) string {
	b := make([]byte, 0, 128)
	b = append(b, `"mid":"`...)
	b = append(b, mid...)
	b = append(b, `","from":{"id":`...)
	b = append(b, Quote(from.ID)...)
	b = append(b, `,"role":"`...)
	b = append(b, from.Role...)
	b = append(b, `","name":`...)
	b = append(b, Quote(from.Name)...)
	b = append(b, `},"type":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	if replyTo > 0 {
		b = append(b, `,"replyTo":`...)
		b = strconv.AppendInt(b, replyTo, 10)
	}
	return string(b)
}

// MidOf takes the mid out of a head, which begins with it.
func MidOf(head string) string {
	rest, _ := strings.CutPrefix(head, `"mid":"`)
	mid, _, _ := strings.Cut(rest, `"`)
	return mid
}

// ParseMessage reads what send.lua publishes; counts are the receivers' unread, trace the span of who
// sent it, "" where that is not sampled.
func ParseMessage(payload string) (e Entry, origin string, counts map[string]int64, trace string, ok bool) {
	f := strings.SplitN(payload, SepField, 9)
	if len(f) != 9 {
		return e, "", nil, "", false
	}
	e = Entry{By: f[2], Note: f[3] == "n", Key: f[5], Head: f[7], Body: f[8]}
	var err1, err2 error
	e.Seq, err1 = strconv.ParseInt(f[0], 10, 64)
	e.At, err2 = strconv.ParseInt(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return e, "", nil, "", false
	}
	if f[6] != "" {
		pairs := strings.Split(f[6], sepCount)
		counts = make(map[string]int64, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			counts[pairs[i]], _ = strconv.ParseInt(pairs[i+1], 10, 64)
		}
		if len(pairs)%2 == 1 { // before there were traces, this was not looked at
			trace = pairs[len(pairs)-1]
		}
	}
	return e, f[4], counts, trace, true
}

// ParseSaid reads what a transition publishes; trace is as ParseMessage's.
func ParseSaid(payload string) (said []Entry, snap, trace string, err error) {
	var p struct {
		Said  json.RawMessage
		Snap  string
		Trace string
	}
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		return nil, "", "", err
	}
	if len(p.Said) == 0 || p.Said[0] != '[' { // cjson writes an empty list as {}
		return nil, p.Snap, p.Trace, nil
	}
	var list [][6]json.RawMessage
	if err := json.Unmarshal(p.Said, &list); err != nil {
		return nil, "", "", err
	}
	for _, raw := range list {
		var e Entry
		var kind string
		for i, to := range []any{&e.Seq, &e.At, &e.By, &kind, &e.Head, &e.Body} {
			if err := json.Unmarshal(raw[i], to); err != nil {
				return nil, "", "", err
			}
		}
		e.Note = kind == "n"
		said = append(said, e)
	}
	return said, p.Snap, p.Trace, nil
}

// EventLine is an event of a name, with the fields of a struct that has some.
func EventLine(event string, fields any) []byte {
	return []byte(`{"event":"` + event + `",` + Encode(fields)[1:])
}

// AppendUnread appends an `unread` event.
func AppendUnread(b []byte, session string, unread, total int64) []byte {
	b = append(b, `{"event":"unread","session":"`...)
	b = append(b, session...)
	b = append(b, `","unread":`...)
	b = strconv.AppendInt(b, unread, 10)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, total, 10)
	return append(b, '}')
}

// Personal is what is published on a participant's own channel.
type Personal struct {
	Kind       string `json:"kind"` // mine, replaced, revoked, removed, settings, unread
	Session    string `json:"session,omitempty"`
	Role       string `json:"role,omitempty"`
	Conn       string `json:"conn,omitempty"`
	Token      string `json:"token,omitempty"`
	Before     int64  `json:"before,omitempty"` // ms
	Generation int64  `json:"generation,omitempty"`
	Unread     int64  `json:"unread,omitempty"`
	Trace      string `json:"trace,omitempty"` // as ParseMessage's
	Extra      *struct {
		Kind    string `json:"kind"` // offer, offer-ended
		From    string `json:"from"`
		Note    string `json:"note"`
		Expires int64  `json:"expires"`
		Outcome string `json:"outcome"`
	} `json:"extra,omitempty"`
}

// IDOf is the id in what Who gives.
func IDOf(who string) string {
	if len(who) < 2 {
		return ""
	}
	return who[2:]
}

// Size is what the entry takes as JSON in a list.
func (e *Entry) Size(session string, own bool) int {
	const names = len(`{"session":"","seq":,"at":"2006-01-02T15:04:05.000Z",,"recalled":true,"replyTo":,"key":}`) + 20
	n := names + len(session) + len(e.Head) + len(e.Body)
	if own && e.Key != "" {
		n += len(Quote(e.Key))
	}
	return n
}

// CameOrWent tells whether an entry is the broker's own word that an agent became a participant, or was one.
func (e *Entry) CameOrWent(agent string) bool {
	if e.By != "" || !strings.Contains(e.Body, `"what":`) {
		return false
	}
	var body struct {
		What            string
		Agent, From, To struct{ ID string }
	}
	if json.Unmarshal([]byte(e.Body), &body) != nil {
		return false // its fields are of other kinds: none of these
	}
	switch body.What {
	case "grabbed", "joined", "left":
		return body.Agent.ID == agent
	case "transferred":
		return body.From.ID == agent || body.To.ID == agent
	}
	return false
}

// SendsFile tells by its head, whose free texts are quoted, whether a message sends a file.
func SendsFile(head string) bool {
	for _, kind := range files {
		if strings.Contains(head, `"},"type":"`+kind+`"`) {
			return true
		}
	}
	return false
}

// Hidden tells whether users must not see an entry: a note, or what recall.lua
// says of one. Nobody but the broker itself writes with an empty `by`.
func Hidden(by, head, body string) bool {
	return NoteHead(head) || by == "" && strings.HasSuffix(body, `,"note":true}`)
}

// NoteHead tells a note by its head, whose free texts are quoted and so cannot look like this.
func NoteHead(h string) bool { return strings.Contains(h, `"},"type":"note"`) }

// ParseRecalled reads what recall.lua keeps of an entry; the seq even where there is nothing.
func ParseRecalled(seq, data string) (Entry, bool) {
	var r struct{ At, By, Key, H string }
	n, _ := strconv.ParseInt(seq, 10, 64)
	if data == "" || json.Unmarshal([]byte(data), &r) != nil {
		return Entry{Seq: n}, false
	}
	at, _ := strconv.ParseInt(r.At, 10, 64)
	return Entry{Seq: n, At: at, By: r.By, Key: r.Key, Head: r.H, Note: NoteHead(r.H)}, true
}

// ParseEntry reads what a log keeps under a seq.
func ParseEntry(seq int64, v map[string]any) Entry {
	str := func(name string) string { s, _ := v[name].(string); return s }
	at, _ := strconv.ParseInt(str("at"), 10, 64)
	h := str("h")
	return Entry{Seq: seq, At: at, By: str("by"), Key: str("key"), Head: h, Body: str("b"), Note: Hidden(str("by"), h, str("b"))}
}
