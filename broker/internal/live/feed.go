package live

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"bellhop/broker/chat"
)

// feed follows one session for those connected here. Pub/sub may lose; the log
// is the truth: events carry a seq, and where one is missing the feed reads the
// log before it delivers on, so that nobody sees a hole the log does not have.
// Where Redis fell back, the log has other messages, or none, under seqs that were
// delivered: those connected here are told to begin anew.
type feed struct {
	h      *Hub
	part   *hubPart
	id     string
	users  int           // holds; under part.mu
	loaded chan struct{} // closed when open is through

	failed     error // set before loaded is closed
	subscribed bool  // likewise

	mu      sync.Mutex
	st      *chat.Snapshot // of the latest rev seen
	seq     int64          // delivered up to here
	mid     string         // the id of the message there; "" where it is not known
	unread  map[string]int64
	read    map[string]int64
	seats   map[string]*member
	silent  []*Conn           // supervisors who watch unseen
	busy    bool              // being loaded or filled; events wait
	backlog []string          // those
	weight  int               // of those, in bytes
	again   bool              // while busy: it must be read once more
	freed   int               // holds to release once mu is free
	came    []newcomer        // participants who are new since the last look
	placed  [2]int            // position and wait last told to the user
	sending map[string]string // mid → connection, of sends not heard of yet
}

// newcomer is somebody who takes part from now on; back tells that Redis fell back to a time when it did:
// what its connections were shown then, and what they were not, may not be the log.
type newcomer struct {
	who  string
	back bool
}

const (
	// FeedPatience bounds one reading of a session, or of a queue.
	FeedPatience = 10 * time.Second
	// MaxBacklog is how many bytes of events wait until Redis has been read.
	MaxBacklog = 1 << 20
	maxSending = 256
)

func (f *feed) recalled(payload string) {
	text, kind, _ := strings.Cut(payload, chat.SepField)
	seq, _ := strconv.ParseInt(text, 10, 64)
	line := chat.EventLine("recalled", struct {
		Session string `json:"session"`
		Seq     int64  `json:"seq"`
	}{f.id, seq})
	for _, m := range f.seats {
		if kind != "n" || !m.user() {
			m.deliver(line, "")
		}
	}
	for _, c := range f.silent {
		c.Deliver(line)
	}
}

// Sends notes that a connection is about to send a message: see feed.sends. It gives the last transition that the
// session's feed here knows of, if `who` takes part since and at most one other sees what it writes (a note only
// staff see), and that other; "" where it is not so, or is not known.
func (h *Hub) Sends(session, mid, conn, who string, note bool) (op, other string) {
	f := h.live(session)
	if f == nil {
		return "", ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn != "" {
		f.sends(mid, conn)
	}
	return f.audience(who, note)
}

// Known is a session as its feed here knows it, if `who` takes part in it by that; else nil.
func (h *Hub) Known(session, who string) *chat.Snapshot {
	f := h.live(session)
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.st == nil {
		return nil
	}
	if _, in := f.st.Counts[who]; !in {
		return nil
	}
	return f.st
}

// audience is what Sends gives. f.mu is held.
func (f *feed) audience(who string, note bool) (op, other string) {
	if f.st == nil || len(f.st.Counts) > 3 {
		return "", ""
	}
	in := false
	for w := range f.st.Counts {
		switch {
		case w == who:
			in = true
		case note && w[0] == 'u':
		case other != "":
			return "", ""
		default:
			other = w
		}
	}
	if !in {
		return "", ""
	}
	return f.st.Op, other
}

// TakesPart tells whether a session's feed here knows somebody as a participant, and the session as ended.
func (h *Hub) TakesPart(session, who string) (in, ended bool) {
	f := h.live(session)
	if f == nil {
		return false, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, in = f.unread[who]
	return in, f.st != nil && f.st.State == chat.Ended
}

// sends notes who is about to send a message, since the log, from which it may
// have to be read, does not tell. f.mu is held.
func (f *feed) sends(mid, conn string) {
	if f.sending == nil || len(f.sending) > maxSending { // refused ones stay here
		f.sending = map[string]string{}
	}
	f.sending[mid] = conn
}

// message delivers one entry to everybody who may see it, and to each its new
// unread, if that is known, together: they are one frame then. It gives how many connections there are.
func (f *feed) message(e *chat.Entry, origin string, counts map[string]int64) int {
	f.seq, f.mid = e.Seq, chat.MidOf(e.Head)
	if origin != "" {
		delete(f.sending, chat.MidOf(e.Head))
	}
	shown := chat.WithBase(f.h.base, *e)
	e = &shown
	var line []byte
	given := len(f.silent)
	for w, m := range f.seats {
		if e.Note && m.user() {
			continue
		}
		if w == e.By && e.Key != "" {
			given += m.deliver(e.Line(f.id, true), origin)
			continue
		}
		if line == nil {
			line = e.Line(f.id, false)
		}
		if n, ok := counts[w]; ok && n != f.unread[w] {
			given += m.message(line, origin, f.id, n)
		} else {
			given += m.deliver(line, origin)
		}
	}
	maps.Copy(f.unread, counts)
	for _, c := range f.silent {
		c.Deliver(e.Line(f.id, false))
	}
	f.h.delivered.Add(int64(given))
	return given
}

// count sets one participant's unread and tells its connections.
func (f *feed) count(w string, n int64) {
	if old, in := f.unread[w]; in && old == n {
		return
	}
	f.unread[w] = n
	if m := f.seats[w]; m != nil {
		m.count(f.id, n, true, "")
	}
}

func (f *feed) marked(payload string) {
	p := strings.Split(payload, chat.SepField) // by, seq, unread, origin
	if len(p) != 4 {
		return
	}
	seq, _ := strconv.ParseInt(p[1], 10, 64)
	n, _ := strconv.ParseInt(p[2], 10, 64)
	if seq <= f.read[p[0]] {
		return
	}
	f.read[p[0]], f.unread[p[0]] = seq, n
	f.everyone(f.readLine(p[0], seq), p[0])
	if m := f.seats[p[0]]; m != nil {
		m.count(f.id, n, true, p[3])
	}
}

func (f *feed) readLine(w string, seq int64) []byte {
	return chat.EventLine("read", struct {
		Session string `json:"session"`
		By      string `json:"by"`
		Seq     int64  `json:"seq"`
	}{f.id, chat.IDOf(w), seq})
}

func (f *feed) typing(payload string) {
	p := strings.SplitN(payload, chat.SepField, 3) // by, origin, text
	if len(p) != 3 {
		return
	}
	line := func(text string) []byte {
		return chat.EventLine("typing", struct {
			Session string `json:"session"`
			By      string `json:"by"`
			Text    string `json:"text"`
		}{f.id, chat.IDOf(p[0]), text})
	}
	for w, m := range f.seats {
		switch {
		case w == p[0]:
		case m.user():
			m.deliver(line(""), p[1])
		default:
			m.deliver(line(p[2]), p[1])
		}
	}
	for _, c := range f.silent {
		c.Deliver(line(p[2]))
	}
}

// everyone delivers to all seats but one, and to those who watch unseen.
func (f *feed) everyone(line []byte, but string) {
	for w, m := range f.seats {
		if w != but {
			m.deliver(line, "")
		}
	}
	for _, c := range f.silent {
		c.Deliver(line)
	}
}

// adopt takes over what a newer snapshot says. f.mu is held.
func (f *feed) adopt(st *chat.Snapshot) {
	if st.Seq >= f.seq {
		for w, seq := range st.Marks {
			if seq > f.read[w] {
				f.everyone(f.readLine(w, seq), w)
			}
		}
		maps.Copy(f.read, st.Marks)
		for w, n := range st.Counts {
			f.count(w, n)
		}
	}
	if st.Rev > f.st.Rev {
		f.changed(st)
	}
}

// changed shows everybody a session as it is now. f.mu is held.
func (f *feed) changed(st *chat.Snapshot) {
	quiet := st.Rev > f.st.Rev && st.Rev-st.Quiet == f.st.Rev-f.st.Quiet // for its user nothing has changed
	f.st = st
	for w, m := range f.seats {
		if quiet && m.user() {
			continue
		}
		if _, in := st.Counts[w]; in {
			m.deliver(f.sessionLine(w), "")
			continue
		}
		f.count(w, 0)
		delete(f.read, w)
		m.deliver(f.sessionLine(w), "")
		f.remove(m)
	}
	for _, c := range f.silent {
		c.Deliver(f.sessionLine(""))
	}
	for w := range st.Counts {
		if f.seats[w] == nil {
			f.came = append(f.came, newcomer{who: w})
		}
	}
	for w := range f.unread {
		if _, in := st.Counts[w]; !in {
			delete(f.unread, w)
			delete(f.read, w)
		}
	}
}

// knows tells whether the feed is at this very transition.
func (f *feed) knows(st *chat.Snapshot) bool {
	if st == nil || st.Op == "" {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st != nil && f.st.Op == st.Op && f.seq >= st.Seq
}

// as is the session as one participant sees it now.
func (f *feed) as(w string) chat.Session {
	s := f.st.Session
	s.Seq, s.Unread, s.ReadSeq = f.seq, f.unread[w], f.read[w]
	return s.ShownTo(w)
}

func (f *feed) sessionLine(w string) []byte {
	return chat.EventLine("session", struct {
		Session chat.Session `json:"session"`
	}{f.as(w)})
}

// Locate tells a session's queue and user, as far as its feed here knows; it may be outdated.
func (h *Hub) Locate(session string) (queue, user string) {
	f := h.live(session)
	if f == nil {
		return "", ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.st == nil {
		return "", ""
	}
	return f.st.Queue, f.st.User.ID
}
