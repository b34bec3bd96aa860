package canned

import (
	"context"
	"encoding/json"
	"strings"

	"bellhop/broker/chat"
)

// About is what a reply is rendered for.
type About struct {
	Session *chat.Snapshot
	Queue   string       // its queue's name
	Agent   *chat.Person // who answers; nil where nobody does
}

// Render gives the text of a reply, with its variables' values: that of an id, or
// of a shortcut, which is sought among the reader's own replies, then the
// session's queue's, then those for all. CodeTooLarge: it is longer than chat.MaxText.
func (r *Replies) Render(ctx context.Context, who Reader, name string, about About) (string, error) {
	c, err := r.find(ctx, who, name, about.Session.Queue)
	if err != nil {
		return "", err
	}
	text, ok := render(c.Text, chat.MaxText, variables(about))
	if !ok {
		return "", chat.Errorf(chat.CodeTooLarge, "the text, with its variables: at most %d bytes", chat.MaxText)
	}
	return text, nil
}

// render puts values in the place of {{names}}, each looked up once: what a
// value holds is not looked at again. A name without a value stays as it is
// written. False: the result would be longer than limit bytes.
func render(text string, limit int, value func(name string) (string, bool)) (string, bool) {
	var out strings.Builder
	add := func(s string) bool {
		out.WriteString(s)
		return out.Len() <= limit
	}
	for {
		end := strings.Index(text, "}}")
		if end < 0 {
			break
		}
		written := text[:end+2]
		text = text[end+2:]
		begin := strings.LastIndex(written[:end], "{{")
		if begin >= 0 {
			if v, ok := value(strings.TrimSpace(written[begin+2 : end])); ok {
				written = written[:begin] + v
			}
		}
		if !add(written) {
			return "", false
		}
	}
	if !add(text) {
		return "", false
	}
	return out.String(), true
}

// variables are what a canned reply may name.
func variables(about About) func(name string) (string, bool) {
	st, agent := about.Session, about.Agent
	var meta map[string]any
	return func(name string) (string, bool) {
		switch name {
		case "user.name":
			return st.User.Name, true
		case "agent.name":
			if agent == nil {
				return "", false
			}
			return agent.Name, true
		case "session.id":
			return st.ID, true
		case "session.subject":
			return st.Subject, true
		case "queue.name":
			return about.Queue, true
		}
		key, ok := strings.CutPrefix(name, "meta.")
		if !ok {
			return "", false
		}
		if meta == nil {
			d := json.NewDecoder(strings.NewReader(string(st.Meta)))
			d.UseNumber() // 20-digit order numbers stay what they are
			if d.Decode(&meta) != nil || meta == nil {
				meta = map[string]any{}
			}
		}
		switch v := meta[key].(type) {
		case string:
			return v, true
		case json.Number:
			return v.String(), true
		case bool:
			return chat.Encode(v), true
		}
		return "", false // absent, null, or nothing to put into a sentence
	}
}
