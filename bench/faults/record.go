package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bellhop/client"
)

// record is what happened, as the people saw it.
type record struct {
	mu       sync.Mutex
	journal  []entry
	sends    map[string]*sent // by mark
	ops      []op
	reads    []readMark
	rated    []rated
	opened   map[string]string // sessions' first queues
	counts   map[string]int
	longest  time.Duration // that somebody who wanted to be connected was not
	violated []violation   // found along
}

// entry is a line of the journal.
type entry struct {
	at      time.Time
	session string // "" for what concerns all
	text    string
}

// sent is a message that somebody sends, possibly again and again under one key.
type sent struct {
	Mark, Session, By, Key, Type string
	Began                        time.Time
	Acked                        time.Time // zero while nobody knows
	Seq                          int64
	Mid                          string
}

// op is a command that concerns who owns a session.
type op struct {
	Session, What, By, To string
	Call, Return          time.Time
	Out                   string // outOK, outNo or outUnknown
}

// What comes of a command.
const (
	outOK      = "ok"
	outNo      = "no" // refused for what the session is
	outUnknown = "?"  // it may have taken effect, or may still
)

// readMark is an acknowledged read.
type readMark struct {
	Session, By string
	Seq         int64
	At          time.Time
	Told        int64 // up to where, by the answer
}

// rated is an acknowledged rating.
type rated struct {
	Session string
	Score   int
	At      time.Time
}

// violation is a broken promise.
type violation struct {
	What    string
	Session string
	At      time.Time // when, if that is known
}

func newRecord() *record {
	return &record{sends: map[string]*sent{}, counts: map[string]int{}, opened: map[string]string{}}
}

// note adds a line to the journal.
func (r *record) note(session, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal = append(r.journal, entry{time.Now(), session, fmt.Sprintf(format, args...)})
}

func (r *record) counted(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

// violate notes a broken promise that was seen along.
func (r *record) violate(session, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violated = append(r.violated, violation{fmt.Sprintf(format, args...), session, time.Now()})
}

// sending notes that a message goes out.
func (r *record) sending(s *sent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Began = time.Now()
	r.sends[s.Mark] = s
	r.counts["messages sent"]++
}

// acked notes its acknowledgement; a second one must say the same.
func (r *record) acked(s *sent, a client.SendReply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Acked, s.Seq, s.Mid = time.Now(), a.Seq, a.Mid
	r.counts["messages acknowledged"]++
	if a.Duplicate {
		r.counts["acknowledged as duplicates"]++
	}
}

func (r *record) did(o op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
	r.counts[fmt.Sprintf("%s: %s", o.What, o.Out)]++
	r.journal = append(r.journal, entry{o.Return, o.Session, fmt.Sprintf("%s: %s %s → %s (called %.3f s before)", o.By, o.What, o.To, o.Out, o.Return.Sub(o.Call).Seconds())})
}

func (r *record) read(m readMark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads = append(r.reads, m)
}

func (r *record) rate(m rated) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rated = append(r.rated, m)
}

// began notes where a session was opened, unless it was open already.
func (r *record) began(session, queue string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened[session] == "" {
		r.opened[session] = queue
	}
}

// away notes how long somebody was not connected who wanted to be.
func (r *record) away(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.longest = max(r.longest, d)
	r.counts["reconnects"]++
}

// refused notes why somebody could not connect, the same reason once in a row.
func (r *record) refused(who string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts["tries to connect that failed"]++
	text := fmt.Sprintf("cannot connect: %v", err)
	if n := len(r.journal); n == 0 || !strings.HasSuffix(r.journal[n-1].text, text) {
		r.journal = append(r.journal, entry{time.Now(), "", who + " " + text})
	}
}

// around are the lines of the journal about a violation: what concerns all just before it, and the session's own.
func (r *record) around(v violation) (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.journal {
		near := v.At.IsZero() || e.at.After(v.At.Add(-20*time.Second)) && e.at.Before(v.At.Add(5*time.Second))
		if e.session == v.Session && e.session != "" || e.session == "" && near {
			lines = append(lines, e.at.Format("15:04:05.000")+"  "+e.text)
		}
	}
	return lines[max(0, len(lines)-60):]
}

// evidence is what was recorded until now, for checks.
func (r *record) evidence(lossy []span) *evidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &evidence{at: time.Now(), sessions: map[string]facts{}, log: map[string][]message{}, archive: map[string][]message{}, capacity: map[string]int{},
		sends: map[string]sent{}, ops: slices.Clone(r.ops), reads: slices.Clone(r.reads), rates: slices.Clone(r.rated), opened: maps.Clone(r.opened), lossy: lossy}
	for mark, s := range r.sends {
		e.sends[mark] = *s
	}
	return e
}

// message is a message as logs, archives and people have it.
type message struct {
	Seq  int64
	Mid  string
	At   time.Time
	From string // "" for the broker
	Role string
	Type string
	Mark string // of one of ours
	Body string
}

func messageOf(m client.Message) message {
	return message{Seq: m.Seq, Mid: m.Mid, At: m.At, From: m.From.ID, Role: m.From.Role, Type: m.Type, Mark: markOf(m.Type, string(m.Body)), Body: string(m.Body)}
}

// markOf is what makes a message of ours the only one of its kind: its text's first word, or its file's name.
func markOf(kind, body string) string {
	var text string
	switch kind {
	case "text", "note":
		_ = json.Unmarshal([]byte(body), &text)
	case "file":
		var file client.File
		_ = json.Unmarshal([]byte(body), &file)
		text = strings.TrimSuffix(file.Name, ".txt")
	}
	mark, _, _ := strings.Cut(text, " ")
	return mark
}

// view is what one client has of its sessions: the messages of events and its own acknowledged ones.
type view struct {
	who, role string
	rec       *record

	mu       sync.Mutex
	sessions map[string]*held
}

// held is what a client has of a session.
type held struct {
	events map[int64]string // mids
	own    map[string]bool  // mids
	last   int64            // of the events
	resets int
}

func newView(rec *record, who, role string) *view {
	return &view{who: who, role: role, rec: rec, sessions: map[string]*held{}}
}

// of is what is held of a session; mu is held.
func (v *view) of(session string) *held {
	h := v.sessions[session]
	if h == nil {
		h = &held{events: map[int64]string{}, own: map[string]bool{}}
		v.sessions[session] = h
	}
	return h
}

// message takes an event; seqs grow, each once.
func (v *view) message(m client.Message) {
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.of(m.Session)
	if m.Seq <= h.last {
		v.rec.violate(m.Session, "%s was given message %d (%s) after %d (%s has %q there)", v.who, m.Seq, m.Mid, h.last, v.who, h.events[m.Seq])
	}
	h.last, h.events[m.Seq] = max(h.last, m.Seq), m.Mid
	v.rec.counted("messages delivered")
	if v.role == "user" && m.Type == "note" {
		v.rec.violate(m.Session, "%s, a user, was shown note %d", v.who, m.Seq)
	}
}

// reset forgets.
func (v *view) reset(session string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.of(session)
	h.events, h.own, h.last = map[int64]string{}, map[string]bool{}, 0
	h.resets++
	v.rec.counted("resets")
}

// acked takes an acknowledgement.
func (v *view) acked(session, mid string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.of(session).own[mid] = true
}

// seen is a copy of what a view has, for checks.
type seen struct {
	Who, Role string
	Sessions  map[string]held
}

func (v *view) copied() seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := seen{v.who, v.role, map[string]held{}}
	for id, h := range v.sessions {
		out.Sessions[id] = held{maps.Clone(h.events), maps.Clone(h.own), h.last, h.resets}
	}
	return out
}
