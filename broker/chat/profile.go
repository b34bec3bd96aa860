package chat

import (
	"encoding/json"
	"strconv"
)

// Profile is what Redis knows of a participant besides its sessions.
type Profile struct {
	Person
	Queues     []string
	Capacity   int
	Status     Status
	Revoked    int64 // ms
	Generation int64 // how often it was revoked
	Set        bool  // queues and capacity by PUT /agents, not by the token
	Disabled   bool
	Blocked    bool
	Reason     string // why it is blocked
	Known      bool   // somebody has seen it, or set something of it
	Granted    int    // the capacity when a place was last taken
	IdleAt     int64  // ms: since when nothing has come to it or gone from it
}

// Info is the profile as others are shown it, with how many sessions the agent holds.
func (p Profile) Info(load int) AgentInfo {
	queues := p.Queues
	if queues == nil {
		queues = []string{}
	}
	return AgentInfo{Person: p.Person, AgentSettings: AgentSettings{Queues: queues, Capacity: p.Capacity,
		Disabled: p.Disabled}, Status: p.Status, Load: load}
}

// Card is what the actor may know of the user; without its sessions.
func (p Profile) Card(a Actor) UserCard {
	card := UserCard{Person: p.Person, Blocked: p.Blocked}
	if a.Relations()&Boss != 0 {
		card.Reason = &p.Reason
	}
	return card
}

// ParseProfile reads one as Redis holds it.
func ParseProfile(id string, f map[string]string) Profile {
	p := Profile{Person: *ParsePerson(f["info"], id), Status: Status(f["status"]), Set: f["set"] != "",
		Disabled: f["disabled"] != "", Blocked: f["blocked"] != "", Reason: f["blocked_reason"], Known: f["info"] != "" || f["set"] != ""}
	_ = json.Unmarshal([]byte(f["queues"]), &p.Queues) // absent: none
	p.Capacity, _ = strconv.Atoi(f["capacity"])
	p.Revoked, _ = strconv.ParseInt(f["revoked"], 10, 64)
	p.Generation, _ = strconv.ParseInt(f["generation"], 10, 64)
	p.Granted, _ = strconv.Atoi(f["granted"])
	p.IdleAt, _ = strconv.ParseInt(f["idle_at"], 10, 64)
	if p.Status == "" {
		p.Status = Offline
	}
	return p
}

// UserSettings is what a host or supervisor sets of a user.
type UserSettings struct {
	Blocked bool
	Reason  string // for staff; the user is not told
}

// UserCard is what staff may know of a user. Reason is nil for agents, Sessions
// where they were not asked for.
type UserCard struct {
	Person
	Blocked  bool          `json:"blocked"`
	Reason   *string       `json:"reason,omitempty"`
	Sessions []UserSession `json:"sessions,omitzero"` // the newest, newest first
}

// UserSession is one session on a user's card.
type UserSession struct {
	ID      string   `json:"id"`
	Queue   string   `json:"queue"`
	State   State    `json:"state"`
	Agent   *Person  `json:"agent"`
	Subject string   `json:"subject"`
	Labels  []string `json:"labels"`
	Created Time     `json:"created"`
	Ended   *Time    `json:"ended"`
	Rating  *Rating  `json:"rating"`
}

// MaxToken is a token's greatest length in bytes.
const MaxToken = 8 << 10
