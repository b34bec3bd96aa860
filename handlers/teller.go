package handlers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bellhop/broker/chat"
)

// teller tells a session to people: in one language, with the times of one zone.
type teller struct {
	session chat.Session
	words   words
	zone    *time.Location
	staff   bool                   // who reads is no user
	queue   func(id string) string // its name
	links   fileLinks
	names   map[string]string // of staff, as far as they came up, by id
}

func newTeller(s chat.Session, lang string, zone *time.Location) *teller {
	t := &teller{session: s, words: transcriptWords[lang], zone: zone, queue: func(id string) string { return id }, names: map[string]string{}}
	t.meet(s.Agent, s.Target)
	for i := range s.Assistants {
		t.meet(&s.Assistants[i])
	}
	return t
}

// meet remembers what people are called, for where only ids are told.
func (t *teller) meet(people ...*chat.Person) {
	for _, p := range people {
		if p != nil && p.ID != "" {
			t.names[p.ID] = called(p.Name, p.ID)
		}
	}
}

// colleague is what one of the staff is called.
func (t *teller) colleague(id string) string { return cmp.Or(t.names[id], id) }

// name is what anybody is called. Users have ids of their own: of two who share one, the user comes first.
func (t *teller) name(id string) string {
	if id != "" && id == t.session.User.ID {
		return called(t.session.User.Name, id)
	}
	return t.colleague(id)
}

// time is as people read it; a zone's clock may show it twice, so the offset is told, too.
func (t *teller) time(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04:05Z07:00") }

// title is what a transcript is headed with.
func (t *teller) title() string {
	if t.session.Subject != "" {
		return t.session.Subject
	}
	return t.words.say("title", "name", called(t.session.User.Name, t.session.User.ID))
}

// head tells of the session itself.
func (t *teller) head() []string {
	s, w := &t.session, t.words
	person := func(p chat.Person) string {
		if p.Name == "" || p.Name == p.ID {
			return p.ID
		}
		return p.Name + w.say("brackets", "x", p.ID)
	}
	out := []string{s.ID + " · " + t.queue(s.Queue) + " · " + cmp.Or(w["state."+string(s.State)], string(s.State))}
	add := func(key string, values ...string) {
		if len(values) > 0 {
			out = append(out, w[key]+w["colon"]+strings.Join(values, w["join"]))
		}
	}
	add("people.user", person(s.User))
	if s.Agent != nil {
		add("people.agent", person(*s.Agent))
	}
	var helpers []string
	for _, p := range s.Assistants {
		helpers = append(helpers, person(p))
	}
	add("people.assistants", helpers...)
	add("opened", t.time(s.Created.Time))
	if s.Ended != nil {
		add("ended", t.time(s.Ended.Time)+" · "+t.ended(s.EndedBy, s.Reason))
	}
	add("labels", s.Labels...)
	out = append(out, w.say("times", "zone", t.zone.String()))
	if t.links.sign != nil {
		out = append(out, w.say("links", "time", t.time(t.links.expires)))
	}
	return out
}

// line is a message as people read it.
type line struct {
	At, When string // RFC 3339; in the reader's zone
	Class    string
	Who      string // "": the system
	Kind     string // of what is no text
	What     string
	URL      string // where it is, if it may be followed
	More     string // of a card
}

// line tells a message; not where its reader has no use for it.
func (t *teller) line(m chat.Message) (line, bool) {
	l := line{At: m.At.UTC().Format(time.RFC3339), When: t.time(m.At.Time), Class: string(m.From.Role) + " " + m.Type}
	if m.From.Role != chat.RoleSystem {
		l.Who = t.author(m.From)
	}
	if m.Type == chat.TypeNote {
		l.Who += t.words.say("brackets", "x", t.words["note"])
	}
	var text string
	switch {
	case m.Recalled:
		l.Class, l.What = l.Class+" recalled", t.words["recalled"]
	case json.Unmarshal(m.Body, &text) == nil:
		l.What = text
	case m.Type == chat.TypeSystem:
		var ok bool
		if l.What, ok = t.system(m.Body); !ok {
			return l, false
		}
	default:
		t.content(&l, m)
	}
	return l, true
}

// author is who speaks: the name and the role.
func (t *teller) author(a chat.Author) string {
	name := called(a.Name, a.ID)
	if a.Role == chat.RoleBot && a.Name == "" && a.ID == "host" {
		name = t.words["host"]
	}
	if a.Role.Staff() {
		t.meet(&chat.Person{ID: a.ID, Name: name})
	}
	if role := cmp.Or(t.words[string(a.Role)], string(a.Role)); role != "" {
		name += t.words.say("brackets", "x", role)
	}
	return name
}

// content tells what is no text: a file, or a card of any form.
func (t *teller) content(l *line, m chat.Message) {
	var body map[string]any
	if json.Unmarshal(m.Body, &body) != nil {
		body = nil
	}
	word := func(keys ...string) string {
		for _, k := range keys {
			if s, _ := body[k].(string); s != "" {
				return s
			}
		}
		return ""
	}
	kind := cmp.Or(t.words[m.Type], m.Type)
	address := word("url")
	if chat.IsFile(m.Type) {
		if seconds, _ := body["duration"].(float64); seconds > 0 && seconds < 1e6 {
			kind += fmt.Sprintf(" %d:%02d", int(seconds+.5)/60, int(seconds+.5)%60)
		}
		l.What, l.URL = cmp.Or(word("name"), address), t.links.file(address)
	} else {
		l.URL = webAddress(address)
		l.What, l.More = cmp.Or(word("title", "name"), l.URL), card(body, word("text", "description"))
	}
	l.Kind = "[" + kind + "]"
	if l.What == "" && l.More == "" {
		l.What = string(m.Body)
	}
}

// maxFields is how many fields of a card's are told, as the pages do.
const maxFields = 12

// card is what a card says below its title: its text, and its plain fields.
func card(body map[string]any, text string) string {
	var out []string
	if text != "" {
		out = append(out, text)
	}
	n := 0
	for _, k := range slices.Sorted(maps.Keys(body)) {
		if slices.Contains([]string{"title", "name", "url", "text", "description"}, k) || n == maxFields {
			continue
		}
		var value string
		switch v := body[k].(type) {
		case string:
			value = v
		case float64:
			value = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			value = strconv.FormatBool(v)
		default:
			continue
		}
		n++
		out = append(out, k+": "+value)
	}
	return strings.Join(out, "\n")
}

// webAddress is an address that may be followed, or "".
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// rated tells what the user thought of it.
func (t *teller) rated() (line, bool) {
	r := t.session.Rating
	if r == nil {
		return line{}, false
	}
	score := min(max(r.Score, 0), 5)
	l := line{At: r.At.UTC().Format(time.RFC3339), When: t.time(r.At.Time), Class: "system rated", What: t.words.say("rated",
		"name", called(t.session.User.Name, t.session.User.ID), "score", strconv.Itoa(score), "stars", strings.Repeat("★", score)+strings.Repeat("☆", 5-score))}
	if r.Comment != "" {
		l.What += t.words["colon"] + r.Comment
	}
	return l, true
}

func called(name, id string) string {
	if name != "" {
		return name
	}
	return id
}
