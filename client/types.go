package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// Person is how a participant is shown.
type Person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Avatar string `json:"avatar"`
}

// Me is who one is to the server.
type Me struct {
	Person
	Role     string   `json:"role"`
	Queues   []string `json:"queues"`   // staff's
	Capacity int      `json:"capacity"` // staff's
}

// Session is one consultation; Unread and ReadSeq are the receiver's own.
type Session struct {
	ID         string          `json:"id"`
	Queue      string          `json:"queue"`
	State      string          `json:"state"` // waiting, serving, transferring, ending, ended
	Rev        int64           `json:"rev"`
	Seq        int64           `json:"seq"`
	Mid        string          `json:"mid"` // of the message at Seq; in Hello only
	User       Person          `json:"user"`
	Agent      *Person         `json:"agent"`
	Assistants []Person        `json:"assistants"`
	Target     *Person         `json:"target"`
	Subject    string          `json:"subject"`
	Meta       json.RawMessage `json:"meta"`
	Labels     []string        `json:"labels"` // sorted; nil for users
	Priority   int             `json:"priority"`
	Created    time.Time       `json:"created"`
	Grabbed    *time.Time      `json:"grabbed"`
	Ended      *time.Time      `json:"ended"`
	EndedBy    string          `json:"endedBy"`
	Reason     string          `json:"reason"`
	Rating     *Rating         `json:"rating"`
	Unread     int64           `json:"unread"`
	ReadSeq    int64           `json:"readSeq"`
}

// Rating is what a user thought of a session.
type Rating struct {
	Score   int       `json:"score"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
}

// Author is who wrote a message.
type Author struct {
	ID   string `json:"id"`
	Role string `json:"role"`
	Name string `json:"name"`
}

// Message is one entry of a session's log. A recalled one has no body.
type Message struct {
	Session  string          `json:"session"`
	Seq      int64           `json:"seq"`
	Mid      string          `json:"mid"`
	At       time.Time       `json:"at"`
	From     Author          `json:"from"`
	Type     string          `json:"type"`
	Body     json.RawMessage `json:"body"`
	Key      string          `json:"key"`
	ReplyTo  int64           `json:"replyTo"`
	Recalled bool            `json:"recalled"`
}

// Text is the body of a text or a note; "" for anything else.
func (m *Message) Text() string {
	var s string
	_ = json.Unmarshal(m.Body, &s) // not a string: ""
	return s
}

// Event is one of the types below, by pointer.
type Event interface{ event() }

// The events of PROTOCOL.md, and the connection's own.
type (
	// Hello is the first event of every connection. More tells that there are
	// other sessions than those it names: Client.Sessions lists them.
	Hello struct {
		Connection string    `json:"connection"`
		Me         Me        `json:"me"`
		Server     string    `json:"server"`
		Heartbeat  int       `json:"heartbeat"` // seconds
		Sessions   []Session `json:"sessions"`
		More       bool      `json:"more"`
		Unread     int64     `json:"unread"`
		Offers     []Session `json:"offers"`
	}
	// Reset tells that the log is no longer the one that was delivered, as after
	// a failover that lost its end. Forget all messages of the session, answered
	// sends included: the log follows from its start, as MessageEvents.
	Reset struct {
		Session string `json:"session"`
	}
	// MessageEvent is a message of others', or of one's own from another device.
	MessageEvent struct{ Message }
	// Recalled tells that a message's text is gone.
	Recalled struct {
		Session string `json:"session"`
		Seq     int64  `json:"seq"`
	}
	// Read tells how far another participant has read.
	Read struct {
		Session string `json:"session"`
		By      string `json:"by"`
		Seq     int64  `json:"seq"`
	}
	// Typing tells that somebody is typing; Text is shown to agents only.
	Typing struct {
		Session string `json:"session"`
		By      string `json:"by"`
		Text    string `json:"text"`
	}
	// SessionChanged comes with every change of Rev. The last is right, also where
	// its Rev is lower than the one before: then the server fell back.
	SessionChanged struct {
		Session Session `json:"session"`
	}
	// Unread is the badge of a session and of all together; the last is right.
	Unread struct {
		Session string `json:"session"`
		Unread  int64  `json:"unread"`
		Total   int64  `json:"total"`
	}
	// Queue tells watchers of a change of a waiting list.
	Queue struct {
		Queue   string    `json:"queue"`
		Size    int       `json:"size"`
		Added   *Session  `json:"added"`
		Removed string    `json:"removed"`
		By      string    `json:"by"`
		Reset   []Session `json:"reset"`
	}
	// Position tells a waiting user its place in line.
	Position struct {
		Session   string `json:"session"`
		Position  int    `json:"position"`
		Wait      int    `json:"wait"` // seconds
		Estimated bool   `json:"estimated"`
	}
	// Offer asks an agent to take a session over.
	Offer struct {
		Session Session    `json:"session"`
		From    string     `json:"from"`
		Note    string     `json:"note"`
		Expires *time.Time `json:"expires"`
	}
	// OfferEnded tells that an offer is over.
	OfferEnded struct {
		Session string `json:"session"`
		Outcome string `json:"outcome"` // accepted, declined, cancelled, expired, ended
	}
	// Presence tells watchers of an agent.
	Presence struct {
		Agent    string `json:"agent"`
		Status   string `json:"status"`
		Load     int    `json:"load"`
		Capacity int    `json:"capacity"`
	}
	// Closing tells that the server is about to close; the client comes back by itself.
	Closing struct {
		Reason         string `json:"reason"`
		ReconnectAfter int64  `json:"reconnectAfter"` // ms
	}
	// Disconnected tells that the connection was lost, with its close code (0
	// for none), and whether the client tries again.
	Disconnected struct {
		Code      uint16
		Err       error
		WillRetry bool
	}
	// Resumed tells that all that was missed has been delivered.
	Resumed struct{}
	// Malformed is a line of the server's that is no event or answer of the
	// protocol. It was skipped; the connection goes on.
	Malformed struct {
		Line []byte
		Err  error
	}
)

func (*Hello) event()          {}
func (*Reset) event()          {}
func (*MessageEvent) event()   {}
func (*Recalled) event()       {}
func (*Read) event()           {}
func (*Typing) event()         {}
func (*SessionChanged) event() {}
func (*Unread) event()         {}
func (*Queue) event()          {}
func (*Position) event()       {}
func (*Offer) event()          {}
func (*OfferEnded) event()     {}
func (*Presence) event()       {}
func (*Closing) event()        {}
func (*Disconnected) event()   {}
func (*Resumed) event()        {}
func (*Malformed) event()      {}

// newEvent makes an empty event of a name; nil for one this version does not know.
func newEvent(name string) Event {
	switch name {
	case "hello":
		return &Hello{}
	case "reset":
		return &Reset{}
	case "message":
		return &MessageEvent{}
	case "recalled":
		return &Recalled{}
	case "read":
		return &Read{}
	case "typing":
		return &Typing{}
	case "session":
		return &SessionChanged{}
	case "unread":
		return &Unread{}
	case "queue":
		return &Queue{}
	case "position":
		return &Position{}
	case "offer":
		return &Offer{}
	case "offer-ended":
		return &OfferEnded{}
	case "presence":
		return &Presence{}
	case "closing":
		return &Closing{}
	}
	return nil
}

// Error is a refusal of the server's, or Code "disconnected" where a command's
// connection was lost before its answer. Find it with errors.As.
type Error struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Detail     string `json:"detail"` // what problem+json calls the message
	Retry      bool   `json:"retry"`
	Status     int    `json:"status"` // HTTP's, where there was one
	By         string `json:"by"`
	State      string `json:"state"`
	Load       int    `json:"load"`
	Capacity   int    `json:"capacity"`
	RetryAfter int64  `json:"retryAfter"` // ms
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Disconnected is the code of a command whose connection was lost.
const codeDisconnected = "disconnected"

var errDisconnected = &Error{Code: codeDisconnected, Message: "the connection was lost before the answer", Retry: true}

// SendReply is where a message went.
type SendReply struct {
	Seq       int64     `json:"seq"`
	Mid       string    `json:"mid"`
	At        time.Time `json:"at"`
	Duplicate bool      `json:"duplicate"`
}

// ReadReply is one's count and mark after a read.
type ReadReply struct {
	Unread  int64 `json:"unread"`
	ReadSeq int64 `json:"readSeq"`
}

// HistoryReply is a page of a log, ascending.
type HistoryReply struct {
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
	Reset    bool      `json:"reset"`
}

// StatusReply is an agent's status and load.
type StatusReply struct {
	Status   string `json:"status"`
	Capacity int    `json:"capacity"`
	Load     int    `json:"load"`
}

// QueueView is a waiting list as a watcher sees it.
type QueueView struct {
	Queue   string     `json:"queue"`
	Waiting []Session  `json:"waiting"`
	Size    int        `json:"size"`
	Oldest  *time.Time `json:"oldest"`
}
