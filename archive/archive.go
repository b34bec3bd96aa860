// Package archive is where everything is kept for good. Redis holds what is
// live; the archiver copies it here, and nothing leaves Redis before the
// archive has acknowledged it. The stores are in packages of their own, and
// archivetest is the contract all of them pass.
package archive

import (
	"context"
	"errors"
	"fmt"
)

// Archive is a store. All methods may be called concurrently, from any number
// of nodes at once, and every write may be repeated: what is there already is
// no error, and what is late never undoes what is newer.
//
// An error of a write means that nothing is known of any of its items, and it
// should be tried again. An item that the store itself will never take (too
// big, invalid) is no error: it is among those rejected, and the others are
// stored. Once a write returns, its items outlive a crash of the store.
type Archive interface {
	// PutMessages stores messages by Mid. One that is there stays as it is,
	// but for a recalled one, which takes the stored one's body away, and a
	// superseded one, which marks the stored one so.
	PutMessages(ctx context.Context, messages []Message) ([]Rejected, error)
	// PutSessions stores sessions by ID, each unless the stored one's Version
	// is later. Where NewAgents is set, the session's messages learn its Agents.
	PutSessions(ctx context.Context, sessions []Session) ([]Rejected, error)
	// PutRecords stores records by Kind and ID, each unless the stored one's
	// Version is later. One without Data is remembered as deleted.
	PutRecords(ctx context.Context, records []Record) error

	// Messages gives a session's messages with seqs in [from, to], ascending.
	// Its cost does not grow with the length of the session.
	Messages(ctx context.Context, session string, from, to int64) ([]Message, error)
	// Session gives one session, or ErrNotFound.
	Session(ctx context.Context, id string) (Session, error)
	// Sessions gives the next sessions of a query, newest first: by Created,
	// then ID, both descending.
	Sessions(ctx context.Context, q SessionQuery) ([]Session, error)
	// CountSessions is how many sessions a query has, whatever its Before and Limit.
	CountSessions(ctx context.Context, q SessionQuery) (int64, error)
	// Search gives the next messages of a query, newest first: by At, then Mid, both descending.
	Search(ctx context.Context, q SearchQuery) ([]Message, error)
	// Records gives the records of a kind whose ids come after `after`, by id,
	// at most limit: neither deleted nor expired ones.
	Records(ctx context.Context, kind, after string, limit int) ([]Record, error)

	// Reindex indexes again, by the present Fold, at most n of the messages that
	// an earlier version has stored, the newest first, and tells how many; 0: there
	// were none left. It takes a moment only, may be stopped anywhere, and be called
	// again at once. Until there are none left searches find the others by OldWords, too.
	Reindex(ctx context.Context, n int) (done int, err error)

	// Purge removes records that have expired.
	Purge(ctx context.Context) error
	// Ping tells whether the store can be reached and written to.
	Ping(ctx context.Context) error
	Close() error
}

// ErrNotFound says that the archive has no such thing.
var ErrNotFound = errors.New("archive: not found")

// Message is one message as it is kept. Times are milliseconds since the epoch.
type Message struct {
	Mid      string // unique everywhere
	Session  string
	Seq      int64
	At       int64  // created
	By       string // participant: u:…, a:…, h:… for a host application, "" for the broker
	Sender   string // id, as shown to others
	Role     string // the sender's
	Name     string // the sender's, at that time
	Type     string
	Command  string // what it came of: send, or the name of a transition
	Body     string // JSON; "" once recalled
	Key      string // the sender's own id of the send, kept after a recall: a repeated send must find it
	ReplyTo  int64  // seq; 0: none
	Recalled bool
	// Superseded: its seq is another message's, since Redis had lost it and went on.
	Superseded bool

	// Of its session, to find it by:
	User   string
	Queue  string   // when it was archived
	Agents []string // all who ever took part
}

// Session is one session as it is kept. Times are milliseconds since the
// epoch, 0 where it has not come to that.
type Session struct {
	ID        string
	Rev       int64
	Seq       int64
	Reads     int64 // sum of the read marks
	State     string
	Queue     string
	User      string
	UserInfo  string   // JSON, as shown to others
	UserKind  string   // where the user comes from, or what kind it is
	Agent     string   // owner, "" for none
	AgentInfo string   // JSON
	Target    string   // whom it is offered or was last handed to
	Agents    []string // all who ever took part
	Labels    []string // each once
	NewAgents bool     // some of them since the session was last stored
	Created   int64
	Grabbed   int64
	Ended     int64
	Read      map[string]int64 // participant → read mark
	Snapshot  string           // all that Redis held of it, JSON
}

// Version orders what a session was at different times: it is later the
// greater it is, as a string. A transition grows Rev; within one Rev only Seq
// grows, and within one Seq only the read marks do.
func (s *Session) Version() string { return fmt.Sprintf("%016x%016x%016x", s.Rev, s.Seq, s.Reads) }

// Record is something small that is no session: a queue's settings, a
// participant's profile, a token's identity.
type Record struct {
	Kind    string
	ID      string
	Version int64  // the later the greater
	Data    []byte // JSON; nil: deleted
	Expires int64  // ms since the epoch; 0: never
}

// Rejected is an item of a write that the store will never take.
type Rejected struct {
	Index int
	Err   error
}

// SessionQuery asks for sessions; what is empty does not matter.
type SessionQuery struct {
	States []string
	Queue  string
	User   string
	Agent  string // ever took part
	Label  string
	Since  int64 // ms, inclusive, of Created
	Until  int64 // ms, exclusive
	// Before continues a list after its last one.
	Before *SessionPlace
	Limit  int // from 1
}

// SessionPlace is a place in a list of sessions.
type SessionPlace struct {
	Created int64 // ms
	ID      string
}

// SearchQuery asks for messages that hold all of some words; what else is
// empty does not matter.
type SearchQuery struct {
	Words []string // at least one, folded (see Fold), each a part of the text
	// OldWords are the same as Words, by OldFold: what earlier versions stored may
	// be found by them only. It must have Words all the same.
	OldWords []string
	Queue    string
	User     string   // the session's user
	Agents   []string // all of them took part in the session
	NoNotes  bool
	Since    int64 // ms, inclusive, of At
	Until    int64 // ms, exclusive
	// Before continues a list after its last one.
	Before *MessagePlace
	Limit  int // from 1
}

// MessagePlace is a place in a list of messages.
type MessagePlace struct {
	At  int64 // ms
	Mid string
}
