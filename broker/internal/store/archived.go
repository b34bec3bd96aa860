package store

import (
	"encoding/json"

	"bellhop/archive"
	"bellhop/broker/chat"
)

// Archived is an entry as the archive keeps it. One whose head cannot be read
// has no mid, and the archive refuses it.
func Archived(e *chat.Entry, d *archive.Session) archive.Message {
	m := archive.Message{Session: d.ID, Seq: e.Seq, At: e.At, By: e.By, Body: e.Body, Key: e.Key, Recalled: e.Body == "",
		User: d.User, Queue: d.Queue, Agents: d.Agents, Command: "send"}
	var h struct {
		Mid     string
		From    chat.Author
		Type    string
		ReplyTo int64
	}
	if json.Unmarshal([]byte("{"+e.Head+"}"), &h) != nil {
		return m
	}
	m.Mid, m.Sender, m.Role, m.Name, m.Type, m.ReplyTo = h.Mid, h.From.ID, string(h.From.Role), h.From.Name, h.Type, h.ReplyTo
	if m.Type == chat.TypeSystem {
		var body struct{ What string }
		_ = json.Unmarshal([]byte(e.Body), &body) // ours; a host's own has none
		if body.What != "" {
			m.Command = body.What
		}
	}
	return m
}

// FromArchive is Archived's opposite.
func FromArchive(m *archive.Message) chat.Entry {
	h := chat.Head(m.Mid, chat.Author{ID: m.Sender, Role: chat.Role(m.Role), Name: m.Name}, m.Type, m.ReplyTo)
	return chat.Entry{Seq: m.Seq, At: m.At, By: m.By, Note: chat.Hidden(m.By, h, m.Body), Key: m.Key, Head: h, Body: m.Body}
}
