package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Lately is how long a session that has ended is still one of those that people have to
// do with: it is in their hello, and they hear what happens in it.
const Lately = time.Hour

// Snapshot is a session as Redis holds it, with everybody's counts. It is never
// changed once parsed, so it may be read without a lock.
type Snapshot struct {
	Session
	Counts   map[string]int64 // by participant; its keys are the participants
	Marks    map[string]int64
	Took     map[string]bool // agents who take part, or did
	Unsure   map[string]bool // agents who wrote in it; an earlier version did not keep whether they took part
	Offer    Offer
	Score    float64 // its place in the waiting list
	Op       string  // of its latest transition
	LastMid  string  // of the message at its seq, where the snapshot tells
	Sticky   string  // the user's last agent, who has not been offered it yet
	BotFirst bool    // its queue's bot has not been tried yet
}

// Offer is what is known of a session's offer besides whom it is for.
type Offer struct {
	From, Note string
	Expires    int64  // ms; 0: never
	last       string // whom the last one that is over was for
}

// Flat is a Redis hash as cjson writes it: an array of fields and values, or
// {} where the hash is empty.
type Flat map[string]string

// UnmarshalJSON reads what cjson writes.
func (f *Flat) UnmarshalJSON(data []byte) error {
	*f = Flat{}
	if len(data) > 0 && data[0] == '{' {
		return nil
	}
	rest, ok := bytes.CutPrefix(data, []byte{'['})
	for ok && len(rest) > 0 && rest[0] == '"' {
		var name, value string
		if name, rest, ok = quoted(rest); !ok || len(rest) == 0 || rest[0] != ',' {
			return f.slowly(data)
		}
		if value, rest, ok = quoted(rest[1:]); !ok {
			return f.slowly(data)
		}
		(*f)[name] = value
		next, more := bytes.CutPrefix(rest, []byte{','})
		if more && (len(next) == 0 || next[0] != '"') {
			return f.slowly(data)
		}
		rest = next
	}
	if string(rest) != "]" {
		return f.slowly(data)
	}
	return nil
}

// quoted takes a JSON string off what cjson wrote. It is found without a decoder where nothing in it is escaped,
// nor beyond ASCII, which is so for most.
func quoted(data []byte) (text string, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '"' {
		return "", nil, false
	}
	end, simple := 1, true
	for ; end < len(data) && data[end] != '"'; end++ {
		if data[end] == '\\' {
			end, simple = end+1, false
		} else if data[end] < ' ' || data[end] >= utf8.RuneSelf {
			simple = false
		}
	}
	if end >= len(data) {
		return "", nil, false
	}
	rest = data[end+1:]
	if simple {
		return string(data[1:end]), rest, true
	}
	return text, rest, json.Unmarshal(data[:end+1], &text) == nil
}

// slowly reads any array of strings.
func (f *Flat) slowly(data []byte) error {
	*f = Flat{}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for i := 0; i+1 < len(list); i += 2 {
		(*f)[list[i]] = list[i+1]
	}
	return nil
}

// Num is a field as a number; 0 where it is none.
func (f Flat) Num(name string) int64 {
	n, _ := strconv.ParseFloat(f[name], 64)
	return int64(n)
}

func (f Flat) time(name string) *Time {
	if f[name] == "" {
		return nil
	}
	t := At(f.Num(name))
	return &t
}

// ParsePerson reads how a participant is shown; nil for nobody.
func ParsePerson(info, id string) *Person {
	if id == "" {
		return nil
	}
	p := Person{ID: id}
	_ = json.Unmarshal([]byte(info), &p) // without it there is still the id
	p.ID = id
	return &p
}

// ParseState reads a snapshot; nil without an error where there is no such session.
func ParseState(id, snapshot string) (*Snapshot, error) {
	st, _, err := ParseSnapshot(id, snapshot)
	return st, err
}

// ParseSnapshot gives the fields of the session's hash, too.
func ParseSnapshot(id, snapshot string) (*Snapshot, Flat, error) {
	var snap struct {
		S, U, R Flat
		M       string
	}
	if err := json.Unmarshal([]byte(snapshot), &snap); err != nil {
		return nil, nil, err
	}
	f := snap.S
	if f["state"] == "" {
		return nil, f, nil
	}
	if f["user"] == "" {
		return nil, f, errors.New("a session of nobody")
	}
	st := &Snapshot{Session: Session{ID: id, Queue: f["queue"], State: State(f["state"]), Rev: f.Num("rev"), Seq: f.Num("seq"),
		User: *ParsePerson(f["user_info"], f["user"]), Agent: ParsePerson(f["agent_info"], f["agent"]), Assistants: []Person{}, Labels: []string{},
		Target: ParsePerson(f["target_info"], f["target"]), Subject: f["subject"], Meta: json.RawMessage(f["meta"]),
		Priority: int(f.Num("priority")), Created: At(f.Num("created")), Grabbed: f.time("grabbed"), Ended: f.time("ended"),
		EndedBy: f["ended_by"], Reason: f["reason"], Quiet: f.Num("quiet")},
		Counts: Counts(snap.U), Marks: Counts(snap.R), Took: map[string]bool{}, Unsure: map[string]bool{},
		Offer: Offer{f["offer_by"], f["offer_note"], f.Num("offer_expires"), f["last_target"]}}
	st.Score, _ = strconv.ParseFloat(f["score"], 64)
	st.LastMid = snap.M
	st.Op, _, _ = strings.Cut(f["ops"], ",")
	st.Sticky, st.BotFirst = f["sticky"], f["bot_first"] != ""
	st.Rating = rating(f["rating"])
	if !json.Valid(st.Meta) {
		st.Meta = json.RawMessage("{}")
	}
	for name, value := range f {
		if agent, ok := strings.CutPrefix(name, "as:"); ok && agent != "" {
			st.Assistants = append(st.Assistants, *ParsePerson(value, agent))
		}
		if label, ok := strings.CutPrefix(name, "l:"); ok {
			st.Labels = append(st.Labels, label)
		}
		if w, ok := strings.CutPrefix(name, "m:"); ok && value == "1" {
			st.Took[w] = true
		}
		if w, ok := strings.CutPrefix(name, "c:a:"); ok && f["m:a:"+w] == "" {
			st.Unsure["a:"+w] = true
		}
	}
	for w := range st.Counts {
		if strings.HasPrefix(w, "a:") {
			st.Took[w] = true
			delete(st.Unsure, w)
		}
	}
	sort.Strings(st.Labels)
	sort.Slice(st.Assistants, func(i, j int) bool { return st.Assistants[i].ID < st.Assistants[j].ID })
	return st, f, nil
}

func rating(data string) *Rating {
	var r struct {
		Score   int
		Comment string
		At      int64
	}
	if json.Unmarshal([]byte(data), &r) != nil || r.Score == 0 {
		return nil
	}
	return &Rating{r.Score, r.Comment, At(r.At)}
}

// Counts are a hash of numbers.
func Counts(f Flat) map[string]int64 {
	m := make(map[string]int64, len(f))
	for k := range f {
		m[k] = f.Num(k)
	}
	return m
}

// As is the session as one participant, or anybody else, sees it.
func (s *Snapshot) As(who string) Session {
	out := s.Session
	out.Unread, out.ReadSeq = s.Counts[who], s.Marks[who]
	return out.ShownTo(who)
}

// AsOffered is a session as whoever declined it may see it: what it was told by the
// offer, and nothing of what has become of it.
func (s *Snapshot) AsOffered() Session {
	return Session{ID: s.ID, Queue: s.Queue, State: s.State, User: s.User, Assistants: []Person{}, Subject: s.Subject,
		Meta: s.Meta, Labels: []string{}, Priority: s.Priority, Created: s.Created}
}

// ShownTo leaves out what its user must not see. A host application is no
// user, though it has no role: its id is empty.
func (s Session) ShownTo(who string) Session {
	if len(who) > 2 && who[0] == 'u' {
		s.Labels, s.Rev = nil, s.Rev-s.Quiet
	}
	return s
}

// Contains tells whether a list holds something.
func Contains[S ~string](list []S, s S) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Pairs are the fields and values of a hash, by field.
func (f Flat) Pairs() []string {
	out := make([]string, 0, 2*len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, name, f[name])
	}
	return out
}

// CountUnread counts the messages up to a seq and above a mark that a participant has not
// read: others' that it may see. Authors is what a session keeps of them, two bytes a message as
// lib/unread.lua has it, and own is the participant's code there.
func CountUnread(authors []byte, own int64, who string, mark, seq int64) (n int64) {
	user := who[0] == 'u'
	for seq := range seq - mark {
		high, low := authors[2*(mark+seq)], authors[2*(mark+seq)+1]
		code := int64(high&0x7f)<<8 | int64(low)
		if code != 0 && code != own && !(user && high&0x80 != 0) {
			n++
		}
	}
	return n
}
