package chat

import (
	"strings"
	"unicode"
)

// Limits of canned replies.
const (
	MaxCanned   = 1000 // of one queue, of one agent, and of those for all
	MaxShortcut = 64
	MaxTitle    = 256
)

// Canned is a reply that agents keep ready: a queue's, one agent's own, or,
// with neither, for all. Its text may name variables (docs/canned.md).
type Canned struct {
	ID       string `json:"id"`
	Queue    string `json:"queue"`
	Agent    string `json:"agent"`
	Shortcut string `json:"shortcut"` // what an agent types for it
	Title    string `json:"title"`
	Text     string `json:"text"`
	Updated  Time   `json:"updated"`
}

// CannedRequest lists canned replies.
type CannedRequest struct {
	Queue  string // only this queue's; empty: any
	Limit  int    // 50 when 0, at most 200
	Cursor string
}

// CannedReply is a page, by id; an empty cursor ends the list.
type CannedReply struct {
	Canned []Canned `json:"canned"`
	Cursor string   `json:"cursor"`
}

// Validate tells what is wrong with it; not whether its shortcut is free.
func (c *Canned) Validate() error {
	if err := ValidID("id", c.ID); err != nil {
		return err
	}
	if c.Queue != "" && c.Agent != "" {
		return Errorf(CodeBadRequest, "queue, agent: at most one of them")
	}
	if err := ValidText("queue", c.Queue, MaxID); err != nil {
		return err
	}
	if err := ValidText("agent", c.Agent, MaxID); err != nil {
		return err
	}
	if err := ValidText("shortcut", c.Shortcut, MaxShortcut); err != nil {
		return err
	}
	if c.Shortcut == "" || strings.ContainsFunc(c.Shortcut, unicode.IsSpace) {
		return Errorf(CodeBadRequest, "shortcut: 1 to %d bytes without spaces", MaxShortcut)
	}
	if err := ValidText("title", c.Title, MaxTitle); err != nil {
		return err
	}
	if c.Text == "" {
		return Errorf(CodeBadRequest, "text: empty")
	}
	return ValidProse("text", c.Text, MaxText)
}
