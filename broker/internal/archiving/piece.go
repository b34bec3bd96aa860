package archiving

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Piece is what the archive lacks of one session, as it was at one instant, or one record.
type Piece struct {
	store.Collected
	messages []archive.Message
	doc      *archive.Session // nil for a record, or a session that is gone
	record   *archive.Record

	upto       int64 // seq; all up to it is archived with these messages
	recalls    string
	codes      int64
	refused    []int64 // seqs
	docRefused bool
}

func (p *Piece) refuse(seq int64) { p.refused = append(p.refused, seq) }

// savedMark is what saved.lua takes.
type savedMark struct {
	Session string  `json:"session"`
	Upto    int64   `json:"upto"`
	Mid     string  `json:"mid"`
	Rev     int64   `json:"rev"`
	Seq     int64   `json:"seq"`
	Reads   int64   `json:"reads"`
	Recalls string  `json:"recalls"`
	Codes   int64   `json:"codes"`
	Refused []int64 `json:"refused"`
	Taken   []int64 `json:"taken"`
	Keep    int     `json:"keep"`
	Expire  int64   `json:"expire"` // ms
	Again   int64   `json:"again"`  // ms
	Since   string  `json:"since"`  // ms
}

func (p *Piece) mark(a *Archiver) savedMark {
	m := savedMark{Session: p.ID, Upto: p.upto, Recalls: p.recalls, Codes: p.codes, Refused: []int64{}, Taken: []int64{},
		Keep: a.keep, Expire: a.after.Milliseconds(), Since: p.Since}
	if p.doc != nil {
		m.Rev, m.Seq, m.Reads = p.doc.Rev, p.doc.Seq, p.doc.Reads
	}
	m.Refused = append(m.Refused, p.refused...)
	for i := range p.messages {
		seq := p.messages[i].Seq
		if seq == p.upto {
			m.Mid = p.messages[i].Mid
		}
		if !slices.Contains(p.refused, seq) {
			m.Taken = append(m.Taken, seq)
		}
	}
	if p.docRefused {
		m.Again = refusedPause.Milliseconds()
	}
	return m
}

// Piece reads what the archive lacks.
func (a *Archiver) Piece(ctx context.Context, c store.Collected) (*Piece, error) {
	if kind, id, ok := strings.Cut(c.ID, "|"); ok {
		rec, err := a.record(ctx, c, kind, id)
		return &Piece{Collected: c, record: rec}, err
	}
	s := c.ID
	r, err := a.store.Run(ctx, "unsaved", []string{c.Part.Session(s), c.Part.Log(s), c.Part.Unread(s), c.Part.Read(s),
		c.Part.Recalled(s)}, unsavedLimit)
	if err != nil {
		return nil, err
	}
	p := &Piece{Collected: c, recalls: r.Str(2)}
	st, fields, err := chat.ParseSnapshot(s, r.Str(0))
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", s, err)
	}
	if st == nil {
		return p, nil // expired meanwhile: `saved` takes it off the list
	}
	p.codes = fields.Num("codes")
	p.doc = Document(st, fields, r.Str(0))
	p.doc.NewAgents = p.codes > fields.Num("codes_saved")
	for _, e := range UnsavedEntries(r) {
		p.messages = append(p.messages, store.Archived(&e, p.doc))
	}
	p.upto = reached(p.messages, fields.Num("archived"), st.Seq)
	return p, nil
}

// UnsavedEntries are the log's, then the recalled ones.
func UnsavedEntries(r store.Reply) []chat.Entry {
	var out []chat.Entry
	for _, item := range r.List(1) {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			continue
		}
		id, _ := pair[0].(string)
		seq, _ := strconv.ParseInt(strings.TrimSuffix(id, "-0"), 10, 64)
		fields := map[string]any{}
		flat, _ := pair[1].([]any)
		for i := 0; i+1 < len(flat); i += 2 {
			name, _ := flat[i].(string)
			fields[name] = flat[i+1]
		}
		out = append(out, chat.ParseEntry(seq, fields))
	}
	recalled := r.Strs(3)
	for i := 0; i+1 < len(recalled); i += 2 {
		if e, ok := chat.ParseRecalled(recalled[i], recalled[i+1]); ok {
			out = append(out, e)
		}
	}
	return out
}

// reached is the seq up to which all is archived once these messages are: there
// is no gap but where one was archived before.
func reached(messages []archive.Message, archived, last int64) int64 {
	have := make(map[int64]bool, len(messages))
	for i := range messages {
		have[messages[i].Seq] = true
	}
	for archived < last && have[archived+1] {
		archived++
	}
	return archived
}

// Document is a session as the archive keeps it.
func Document(st *chat.Snapshot, f chat.Flat, snapshot string) *archive.Session {
	d := &archive.Session{ID: st.ID, Rev: st.Rev, Seq: st.Seq, State: string(st.State), Queue: st.Queue, User: st.User.ID,
		UserInfo: f["user_info"], UserKind: userKind(st.Meta), Agent: f["agent"], AgentInfo: f["agent_info"],
		Target: f["target"], Created: st.Created.UnixMilli(), Grabbed: f.Num("grabbed"), Ended: f.Num("ended"),
		Labels: st.Labels, Read: st.Marks, Snapshot: snapshot}
	if d.Target == "" {
		d.Target = f["last_target"]
	}
	for _, some := range []map[string]bool{st.Took, st.Unsure} { // of the unsure, who reads the list finds out
		for w := range some {
			d.Agents = append(d.Agents, chat.IDOf(w))
		}
	}
	slices.Sort(d.Agents)
	for _, mark := range st.Marks {
		d.Reads += mark
	}
	return d
}

// userKind is where the user comes from or what kind it is: what the host
// application put into meta under that name.
func userKind(meta json.RawMessage) string {
	var m struct {
		UserKind string `json:"userKind"`
	}
	_ = json.Unmarshal(meta, &m) // absent, or not a string: none
	return m.UserKind
}
