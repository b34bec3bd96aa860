package broker

import (
	"encoding/json"
	"errors"
	"sort"
	"strconv"
	"strings"
)

// state is a session as Redis holds it, with everybody's counts. It is never
// changed once parsed, so it may be read without a lock.
type state struct {
	Session
	unread map[string]int64 // by participant; its keys are the participants
	read   map[string]int64
	took   map[string]bool // agents who take part, or did
	unsure map[string]bool // agents who wrote in it; an earlier version did not keep whether they took part
	offer  offer
	score  float64 // its place in the waiting list
	op     string  // of its latest transition
	mid    string  // of the message at its seq, where the snapshot tells
	sticky string  // the user's last agent, who has not been offered it yet
	bot    bool    // its queue's bot has not been tried yet
}

type offer struct {
	from, note string
	expires    int64  // ms; 0: never
	last       string // whom the last one that is over was for
}

// flat is a Redis hash as cjson writes it: an array of fields and values, or
// {} where the hash is empty.
type flat map[string]string

func (f *flat) UnmarshalJSON(data []byte) error {
	*f = flat{}
	if len(data) > 0 && data[0] == '{' {
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for i := 0; i+1 < len(list); i += 2 {
		(*f)[list[i]] = list[i+1]
	}
	return nil
}

func (f flat) num(name string) int64 {
	n, _ := strconv.ParseFloat(f[name], 64)
	return int64(n)
}

func (f flat) time(name string) *Time {
	if f[name] == "" {
		return nil
	}
	t := At(f.num(name))
	return &t
}

func person(info, id string) *Person {
	if id == "" {
		return nil
	}
	p := Person{ID: id}
	_ = json.Unmarshal([]byte(info), &p) // without it there is still the id
	p.ID = id
	return &p
}

// parseState reads a snapshot; nil without an error where there is no such session.
func parseState(id, snapshot string) (*state, error) {
	st, _, err := parseSnapshot(id, snapshot)
	return st, err
}

// parseSnapshot gives the fields of the session's hash, too.
func parseSnapshot(id, snapshot string) (*state, flat, error) {
	var snap struct {
		S, U, R flat
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
	st := &state{Session: Session{ID: id, Queue: f["queue"], State: State(f["state"]), Rev: f.num("rev"), Seq: f.num("seq"),
		User: *person(f["user_info"], f["user"]), Agent: person(f["agent_info"], f["agent"]), Assistants: []Person{}, Labels: []string{},
		Target: person(f["target_info"], f["target"]), Subject: f["subject"], Meta: json.RawMessage(f["meta"]),
		Priority: int(f.num("priority")), Created: At(f.num("created")), Grabbed: f.time("grabbed"), Ended: f.time("ended"),
		EndedBy: f["ended_by"], Reason: f["reason"], quiet: f.num("quiet")},
		unread: counts(snap.U), read: counts(snap.R), took: map[string]bool{}, unsure: map[string]bool{},
		offer: offer{f["offer_by"], f["offer_note"], f.num("offer_expires"), f["last_target"]}}
	st.score, _ = strconv.ParseFloat(f["score"], 64)
	st.mid = snap.M
	st.op, _, _ = strings.Cut(f["ops"], ",")
	st.sticky, st.bot = f["sticky"], f["bot_first"] != ""
	st.Rating = rating(f["rating"])
	if !json.Valid(st.Meta) {
		st.Meta = json.RawMessage("{}")
	}
	for name, value := range f {
		if agent, ok := strings.CutPrefix(name, "as:"); ok && agent != "" {
			st.Assistants = append(st.Assistants, *person(value, agent))
		}
		if label, ok := strings.CutPrefix(name, "l:"); ok {
			st.Labels = append(st.Labels, label)
		}
		if w, ok := strings.CutPrefix(name, "m:"); ok && value == "1" {
			st.took[w] = true
		}
		if w, ok := strings.CutPrefix(name, "c:a:"); ok && f["m:a:"+w] == "" {
			st.unsure["a:"+w] = true
		}
	}
	for w := range st.unread {
		if strings.HasPrefix(w, "a:") {
			st.took[w] = true
			delete(st.unsure, w)
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

func counts(f flat) map[string]int64 {
	m := make(map[string]int64, len(f))
	for k := range f {
		m[k] = f.num(k)
	}
	return m
}

// as is the session as one participant, or anybody else, sees it.
func (s *state) as(who string) Session {
	out := s.Session
	out.Unread, out.ReadSeq = s.unread[who], s.read[who]
	return out.shownTo(who)
}

// asOffered is a session as whoever declined it may see it: what it was told by the
// offer, and nothing of what has become of it.
func (s *state) asOffered() Session {
	return Session{ID: s.ID, Queue: s.Queue, State: s.State, User: s.User, Assistants: []Person{}, Subject: s.Subject,
		Meta: s.Meta, Labels: []string{}, Priority: s.Priority, Created: s.Created}
}

// shownTo leaves out what its user must not see. A host application is no
// user, though it has no role: its id is empty.
func (s Session) shownTo(who string) Session {
	if len(who) > 2 && who[0] == 'u' {
		s.Labels, s.Rev = nil, s.Rev-s.quiet
	}
	return s
}

func contains[S ~string](list []S, s S) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
