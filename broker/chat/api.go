package chat

import (
	"encoding/json"
	"unicode/utf8"
)

// OpenRequest asks for a session.
type OpenRequest struct {
	User     Person // whose session; the actor itself when ID is empty
	Queue    string // "default" when empty
	Subject  string
	Meta     json.RawMessage
	Priority int // 0–9, higher first; only a host application's counts
}

// SendRequest puts a message into a session's log.
type SendRequest struct {
	Session string
	Type    string // "text" when empty
	Body    json.RawMessage
	Key     string
	ReplyTo int64
	As      Role // only for a host application: user, bot or system
}

// SendReply is where a message went.
type SendReply struct {
	Seq       int64  `json:"seq"`
	Mid       string `json:"mid"`
	At        Time   `json:"at"`
	Duplicate bool   `json:"duplicate,omitempty"`
}

// ReadReply is a reader's count and mark after a read.
type ReadReply struct {
	Unread  int64 `json:"unread"`
	ReadSeq int64 `json:"readSeq"`
}

// HistoryRequest asks for a page of a session's log. After and Before are
// exclusive; -1 means not given, and at most one may be given.
type HistoryRequest struct {
	Session string
	After   int64
	Before  int64
	Limit   int    // 50 when 0, at most 200
	Mid     string // with After: the mid the caller holds there
}

// HistoryReply is a page, ascending.
type HistoryReply struct {
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
	Reset    bool      `json:"reset,omitempty"`
}

// SessionsRequest lists sessions, newest first.
type SessionsRequest struct {
	States []State
	Queue  string
	Agent  string
	User   string
	Label  string // not for users
	Since  int64  // ms, inclusive, of creation; 0: no bound
	Until  int64  // ms, exclusive; 0: no bound
	Limit  int    // 50 when 0, at most 200
	Cursor string
}

// SessionsReply is a page; an empty cursor ends the list.
type SessionsReply struct {
	Sessions []Session `json:"sessions"`
	Cursor   string    `json:"cursor"`
}

// TransferRequest moves a session: to an agent as an offer, or into a queue.
// Exactly one of Agent and Queue is given.
type TransferRequest struct {
	Session string
	Agent   string
	Queue   string
	Note    string

	Sticky bool // the broker itself offers it
}

// EndRequest ends a session, or asks its user to confirm that.
type EndRequest struct {
	Session string
	Reason  string
	Force   bool
}

// Status is an agent's presence.
type Status string

// The statuses. Only Online gets offers.
const (
	Online  Status = "online"
	Away    Status = "away"
	Offline Status = "offline"
)

// StatusReply is an agent's status and how much of its capacity is taken.
type StatusReply struct {
	Status   Status `json:"status"`
	Capacity int    `json:"capacity"`
	Load     int    `json:"load"`
}

// QueueView is what a watcher sees of a queue: the first 200 that wait, or as
// many of them as fit, how many there are, and since when the oldest waits.
type QueueView struct {
	Queue   string    `json:"queue"`
	Waiting []Session `json:"waiting"`
	More    bool      `json:"more,omitempty"` // Waiting is not all: Sessions lists the rest
	Size    int       `json:"size"`
	Oldest  *Time     `json:"oldest"`
}

// QueueSettings are a queue's rules; times in seconds, 0: it never happens.
type QueueSettings struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Routing        string `json:"routing"`
	OfferTimeout   int    `json:"offerTimeout"`
	EndTimeout     int    `json:"endTimeout"`
	IdleTimeout    int    `json:"idleTimeout"`
	AbandonTimeout int    `json:"abandonTimeout"`
	AgentGrace     int    `json:"agentGrace"`
	ReopenWindow   int    `json:"reopenWindow"`
	Sticky         int    `json:"sticky"`
	Patience       int    `json:"patience"`
	Priority       int    `json:"priority"`
	Hours          *Hours `json:"hours"`
	Bot            string `json:"bot"` // gets this queue's sessions first
	Greeting       string `json:"greeting"`
	Offline        string `json:"offline"`
}

// DefaultQueue is what a queue nobody has set is like.
func DefaultQueue(id string) QueueSettings {
	return QueueSettings{ID: id, Name: id, Routing: "grab", OfferTimeout: 30, EndTimeout: 60,
		IdleTimeout: 1800, AbandonTimeout: 300, AgentGrace: 30, ReopenWindow: 86400, Sticky: 86400,
		Patience: 120}
}

// AgentSettings is what a host or supervisor sets of an agent.
type AgentSettings struct {
	Queues   []string `json:"queues"`
	Capacity int      `json:"capacity"`
	Disabled bool     `json:"disabled"`
}

// AgentInfo is an agent as GET /agents shows it.
type AgentInfo struct {
	Person
	AgentSettings
	Status Status `json:"status"`
	Load   int    `json:"load"`
}

// Normalize fills in what was left out, and refuses what is not valid; meta is its JSON, compact.
func (r *OpenRequest) Normalize(user Person, priority int) (meta string, err error) {
	if r.Queue == "" {
		r.Queue = DefaultQueueID
	}
	if err := ValidID("queue", r.Queue); err != nil {
		return "", err
	}
	owner := Identity{Role: RoleUser, ID: user.ID, Name: user.Name, Avatar: user.Avatar, Priority: priority}
	if err := owner.Normalize(); err != nil {
		return "", err
	}
	if err := ValidProse("subject", r.Subject, MaxSubject); err != nil {
		return "", err
	}
	return ValidObject("meta", r.Meta, MaxMeta, "{}")
}

// Validate refuses what no queue may be, and fills in its name and its hours' zone.
func (q *QueueSettings) Validate() error {
	if err := ValidID("id", q.ID); err != nil {
		return err
	}
	if q.Name == "" {
		q.Name = q.ID
	}
	if utf8.RuneCountInString(q.Name) > MaxName {
		return Errorf(CodeTooLarge, "name: at most %d characters", MaxName)
	}
	if err := ValidText("name", q.Name, 4*MaxName); err != nil {
		return err
	}
	if q.Routing != "grab" && q.Routing != "auto" {
		return Errorf(CodeBadRequest, "routing: grab or auto")
	}
	for name, v := range map[string]int{"offerTimeout": q.OfferTimeout, "endTimeout": q.EndTimeout,
		"idleTimeout": q.IdleTimeout, "abandonTimeout": q.AbandonTimeout, "agentGrace": q.AgentGrace,
		"reopenWindow": q.ReopenWindow, "sticky": q.Sticky, "patience": q.Patience} {
		if v < 0 || v > maxTimeout {
			return Errorf(CodeBadRequest, "%s: seconds, 0 to a year", name)
		}
	}
	if q.Priority < 0 || q.Priority > 9 {
		return Errorf(CodeBadRequest, "priority: 0 to 9")
	}
	if err := q.Hours.validate(); err != nil {
		return err
	}
	if q.Bot != "" {
		if err := ValidID("bot", q.Bot); err != nil {
			return err
		}
	}
	if err := ValidProse("greeting", q.Greeting, MaxNote); err != nil {
		return err
	}
	return ValidProse("offline", q.Offline, MaxNote)
}

// Matches tells whether a session is one of those asked for, as far as it tells itself.
func (r *SessionsRequest) Matches(st *Snapshot) bool {
	created := st.Created.UnixMilli()
	switch {
	case r.Queue != "" && st.Queue != r.Queue, r.User != "" && st.User.ID != r.User,
		r.Label != "" && !Contains(st.Labels, r.Label), r.Since > 0 && created < r.Since, r.Until > 0 && created >= r.Until:
		return false
	}
	for _, s := range r.States {
		if st.State == s {
			return true
		}
	}
	return len(r.States) == 0
}

const maxTimeout = 365 * 24 * 3600
