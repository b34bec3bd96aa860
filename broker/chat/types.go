package chat

import (
	"encoding/json"
	"slices"
	"time"
)

// Role is what a participant is. Users have one space of ids; agents,
// supervisors and bots share another.
type Role string

// The roles of PROTOCOL.md. RoleSystem only ever authors messages.
const (
	RoleUser       Role = "user"
	RoleAgent      Role = "agent"
	RoleSupervisor Role = "supervisor"
	RoleBot        Role = "bot"
	RoleSystem     Role = "system"
)

// Staff tells whether the role shares the agents' space of ids.
func (r Role) Staff() bool {
	return r == RoleAgent || r == RoleSupervisor || r == RoleBot
}

// State is where a session is in its life.
type State string

// The states of a session; docs/architecture.md has the diagram.
const (
	Waiting      State = "waiting"
	Serving      State = "serving"
	Transferring State = "transferring"
	Ending       State = "ending"
	Ended        State = "ended"
)

// Time is an instant as the wire shows it: RFC 3339, milliseconds, UTC.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the instant with exactly three fractional digits.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat([]byte{'"'}, timeLayout+`"`), nil
}

// At makes a Time of milliseconds since the epoch.
func At(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// Person is how a participant is shown to the others.
type Person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Avatar string `json:"avatar"`
}

// Rating is what a user thought of an ended session.
type Rating struct {
	Score   int    `json:"score"`
	Comment string `json:"comment"`
	At      Time   `json:"at"`
}

// Session is one consultation as one receiver sees it: Unread and ReadSeq are
// the receiver's own, a user sees no Labels and a Rev that does not count their
// changes, and everything else is the same for all.
type Session struct {
	ID         string          `json:"id"`
	Queue      string          `json:"queue"`
	State      State           `json:"state"`
	Rev        int64           `json:"rev"`           // grows by one with every change but messages and reads
	Seq        int64           `json:"seq"`           // the log's last
	Mid        string          `json:"mid,omitempty"` // the id of the message at Seq; only in hello
	User       Person          `json:"user"`
	Agent      *Person         `json:"agent"`
	Assistants []Person        `json:"assistants"`
	Target     *Person         `json:"target"` // whom an open offer is for
	Subject    string          `json:"subject"`
	Meta       json.RawMessage `json:"meta"`
	Labels     []string        `json:"labels,omitzero"` // sorted; not for users
	Priority   int             `json:"priority"`
	Created    Time            `json:"created"`
	Grabbed    *Time           `json:"grabbed"`
	Ended      *Time           `json:"ended"`
	EndedBy    string          `json:"endedBy"`
	Reason     string          `json:"reason"`
	Rating     *Rating         `json:"rating"`
	Unread     int64           `json:"unread"`
	ReadSeq    int64           `json:"readSeq"`

	Quiet int64 `json:"-"` // how many changes its user is not to know of
}

// Author is who wrote a message.
type Author struct {
	ID   string `json:"id"`
	Role Role   `json:"role"`
	Name string `json:"name"`
}

// The types of messages.
const (
	TypeText   = "text"
	TypeImage  = "image"
	TypeVoice  = "voice"
	TypeVideo  = "video"
	TypeFile   = "file"
	TypeCard   = "card"
	TypeNote   = "note"
	TypeSystem = "system"
)

var files = []string{TypeImage, TypeVoice, TypeVideo, TypeFile}

// IsFile tells whether messages of a type send a file.
func IsFile(kind string) bool { return slices.Contains(files, kind) }

// Message is one entry of a session's log.
type Message struct {
	Session  string          `json:"session"`
	Seq      int64           `json:"seq"`
	Mid      string          `json:"mid"`
	At       Time            `json:"at"`
	From     Author          `json:"from"`
	Type     string          `json:"type"`
	Body     json.RawMessage `json:"body,omitempty"`
	Key      string          `json:"key,omitempty"` // only on the sender's own copies
	ReplyTo  int64           `json:"replyTo,omitempty"`
	Recalled bool            `json:"recalled,omitempty"`
}

// Identity is who a token speaks for. Queues and Capacity matter for staff,
// Priority for users.
type Identity struct {
	Role     Role
	ID       string
	Name     string
	Avatar   string
	Queues   []string
	Capacity int
	Priority int
	Issued   time.Time
	Expires  time.Time // zero: never
	TokenID  string    // hash of an opaque token; empty for a JWT, or an actor named over HTTP by a host application

	// Generation is one more than how often its participant's tokens had been revoked
	// when an opaque token was issued; 0 for a JWT, of which Issued decides.
	Generation int64
}

// Person is the identity as others see it.
func (i Identity) Person() Person { return Person{i.ID, i.Name, i.Avatar} }

// Actor is who asks for a command, and the connection it came by: nil over
// HTTP. That connection gets the reply and no event of what it did itself.
// Host is set where a host application acts by its API key and may do
// everything; Identity then names whom it acts for, if anybody.
type Actor struct {
	Identity
	Conn Connection
	Host bool
}

// Connection is a device of a participant's that commands come from.
type Connection interface {
	// ID names the connection among all that ever were.
	ID() string
}

// Origin names the connection that a command came by; "" over HTTP.
func (a Actor) Origin() string {
	if a.Conn == nil {
		return ""
	}
	return a.Conn.ID()
}

// Sink is where a connection's events go. The broker defines it and the
// WebSocket edge implements it. Both methods may be called from any goroutine
// and never block. A Sink may have a method Behind() int, too: how many bytes
// have not gone out yet. What can wait is given to it once that is not much.
type Sink interface {
	// Deliver queues one event, a JSON object without a line break, or several
	// joined by line breaks. The bytes are shared between connections and must
	// not be changed.
	Deliver(events []byte)
	// Close ends the connection with a close code of PROTOCOL.md.
	Close(code uint16, reason string)
}

// QueueWatcher is a connection that watches queues.
type QueueWatcher interface {
	// Deliver queues events, as a Sink does.
	Deliver(events []byte)
	// Behind is how many bytes wait for its reader, as far as is known.
	Behind() int
}

// The close codes the broker itself asks for.
const (
	CloseGoingAway = 1001
	CloseInternal  = 1011 // a fault of ours
	CloseRevoked   = 4001
	CloseReplaced  = 4002
	CloseTooSlow   = 4003
	CloseProtocol  = 4004
	CloseRemoved   = 4005
	CloseSilent    = 4008
)

// Revoked tells whether a token ended with its participant's last revocation: of an
// opaque one decides what had been revoked before it, of a JWT when it was issued.
func (i Identity) Revoked(at, generation int64) bool {
	if i.Generation > 0 {
		return i.Generation <= generation
	}
	return i.Issued.UnixMilli() <= at
}

// Who names a participant in keys and in a session's hashes: u:… or a:….
func Who(r Role, id string) string {
	if r.Staff() {
		return "a:" + id
	}
	return "u:" + id
}
