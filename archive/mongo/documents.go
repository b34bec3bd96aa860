package mongo

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"bellhop/archive"
)

// messageDoc is a message as a document. What does not apply is not there.
type messageDoc struct {
	ID          string        `bson:"_id"`
	SessionID   string        `bson:"sessionId"`
	Seq         int64         `bson:"seq"`
	CreatedAt   bson.DateTime `bson:"createdAt"`
	Participant string        `bson:"participant,omitempty"`
	SenderID    string        `bson:"senderId,omitempty"`
	SenderRole  string        `bson:"senderRole,omitempty"`
	SenderName  string        `bson:"senderName,omitempty"`
	Type        string        `bson:"type,omitempty"`
	Command     string        `bson:"command,omitempty"`
	Body        string        `bson:"body,omitempty"` // JSON
	Key         string        `bson:"key,omitempty"`
	ReplyTo     int64         `bson:"replyTo,omitempty"`
	Recalled    bool          `bson:"recalled,omitempty"`
	Superseded  bool          `bson:"superseded,omitempty"`
	UserID      string        `bson:"userId,omitempty"`
	Queue       string        `bson:"queue,omitempty"`
	Agents      []string      `bson:"agents,omitempty"`
	Grams       []string      `bson:"grams,omitempty"`

	GramsVersion int `bson:"gramsVersion,omitempty"` // see reindex.go
}

func newMessageDoc(m *archive.Message) *messageDoc {
	d := &messageDoc{
		ID: m.Mid, SessionID: m.Session, Seq: m.Seq, CreatedAt: bson.DateTime(m.At),
		Participant: m.By, SenderID: m.Sender, SenderRole: m.Role, SenderName: m.Name,
		Type: m.Type, Command: m.Command, Key: m.Key, ReplyTo: m.ReplyTo, Recalled: m.Recalled, Superseded: m.Superseded,
		UserID: m.User, Queue: m.Queue, Agents: m.Agents, GramsVersion: gramsVersion,
	}
	if !m.Recalled {
		d.Body, d.Grams = m.Body, grams(archive.Fold(m.Text()))
	}
	return d
}

func (d *messageDoc) message() archive.Message {
	return archive.Message{
		Mid: d.ID, Session: d.SessionID, Seq: d.Seq, At: int64(d.CreatedAt),
		By: d.Participant, Sender: d.SenderID, Role: d.SenderRole, Name: d.SenderName,
		Type: d.Type, Command: d.Command, Body: d.Body, Key: d.Key,
		ReplyTo: d.ReplyTo, Recalled: d.Recalled, Superseded: d.Superseded,
		User: d.UserID, Queue: d.Queue, Agents: d.Agents,
	}
}

// sessionDoc is a session as a document.
type sessionDoc struct {
	ID         string        `bson:"_id"`
	Version    string        `bson:"version"`
	Rev        int64         `bson:"rev"`
	Seq        int64         `bson:"seq"`
	Reads      int64         `bson:"reads"`
	State      string        `bson:"state"`
	Queue      string        `bson:"queue,omitempty"`
	UserID     string        `bson:"userId,omitempty"`
	UserInfo   string        `bson:"userInfo,omitempty"` // JSON
	UserKind   string        `bson:"userKind,omitempty"`
	AgentID    string        `bson:"agentId,omitempty"`
	AgentInfo  string        `bson:"agentInfo,omitempty"` // JSON
	TransferID string        `bson:"transferId,omitempty"`
	Agents     []string      `bson:"agents,omitempty"`
	Labels     []string      `bson:"labels,omitempty"`
	CreatedAt  bson.DateTime `bson:"createdAt"`
	GrabbedAt  bson.DateTime `bson:"grabbedAt,omitempty"`
	EndedAt    bson.DateTime `bson:"endedAt,omitempty"`
	ReadMarks  []readMark    `bson:"readMarks,omitempty"`
	Snapshot   string        `bson:"snapshot,omitempty"` // JSON
}

// readMark is how far a participant has read. The marks are a list, for a
// participant may have dots and dollars in its id and can be no field's name.
type readMark struct {
	Participant string `bson:"participant"`
	Seq         int64  `bson:"seq"`
}

func newSessionDoc(s *archive.Session) *sessionDoc {
	d := &sessionDoc{
		ID: s.ID, Version: s.Version(), Rev: s.Rev, Seq: s.Seq, Reads: s.Reads,
		State: s.State, Queue: s.Queue,
		UserID: s.User, UserInfo: s.UserInfo, UserKind: s.UserKind,
		AgentID: s.Agent, AgentInfo: s.AgentInfo, TransferID: s.Target, Agents: s.Agents, Labels: s.Labels,
		CreatedAt: bson.DateTime(s.Created), GrabbedAt: bson.DateTime(s.Grabbed), EndedAt: bson.DateTime(s.Ended),
		Snapshot: s.Snapshot,
	}
	for _, p := range slices.Sorted(maps.Keys(s.Read)) {
		d.ReadMarks = append(d.ReadMarks, readMark{Participant: p, Seq: s.Read[p]})
	}
	return d
}

func (d *sessionDoc) session() archive.Session {
	s := archive.Session{
		ID: d.ID, Rev: d.Rev, Seq: d.Seq, Reads: d.Reads, State: d.State, Queue: d.Queue,
		User: d.UserID, UserInfo: d.UserInfo, UserKind: d.UserKind,
		Agent: d.AgentID, AgentInfo: d.AgentInfo, Target: d.TransferID, Agents: d.Agents, Labels: d.Labels,
		Created: int64(d.CreatedAt), Grabbed: int64(d.GrabbedAt), Ended: int64(d.EndedAt),
		Snapshot: d.Snapshot,
	}
	if len(d.ReadMarks) > 0 {
		s.Read = make(map[string]int64, len(d.ReadMarks))
	}
	for _, r := range d.ReadMarks {
		s.Read[r.Participant] = r.Seq
	}
	return s
}
