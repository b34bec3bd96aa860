package handlers

import (
	"encoding/json"
	"strconv"
	"time"

	"bellhop/broker/chat"
)

// systemBody is what system messages hold, each some of it.
type systemBody struct {
	What, By, Text, Reason, Outcome, Opens string
	Agent, From, To                        *chat.Person
	Queue                                  *string
	Seconds                                float64
}

// system tells a system message in words. Users need not know whom else their session was
// offered to; the pages do not tell them, either.
func (t *teller) system(data json.RawMessage) (text string, told bool) {
	var b systemBody
	if json.Unmarshal(data, &b) != nil || b.What == "" {
		return string(data), true // some archive's
	}
	t.meet(b.Agent, b.From, b.To)
	who := func(p *chat.Person) string {
		if p == nil {
			return ""
		}
		return called(p.Name, p.ID)
	}
	key := "system." + b.What
	switch b.What {
	case "offered", "declined":
		if !t.staff {
			return "", false
		}
		key = t.first(key+"."+b.Outcome, t.by(key, b.By))
	case "transferred":
		key = t.transferred(&b)
	case "requeued":
		key = t.first(key+"."+b.Reason, key)
	case "ending":
		key = t.by(key, b.By)
	case "ended":
		return t.ended(b.By, b.Reason), true
	}
	text = t.words.say(t.first(key, "system."+b.What), "by", t.colleague(b.By), "agent", who(b.Agent), "from", who(b.From), "to", who(b.To),
		"queue", t.queueOf(b.Queue), "seconds", strconv.Itoa(int(min(max(b.Seconds, 0), 1e9))))
	switch b.What {
	case "greeting", "offline", "long-wait":
		if b.Text != "" {
			text = b.Text
		}
		if at, err := time.Parse(time.RFC3339, b.Opens); err == nil {
			text += " " + t.words.say("system.opens", "time", t.time(at))
		}
	case "ending":
		text += t.because(b.Reason)
	}
	if text == "" {
		text = b.What // of a later version
	}
	return text, true
}

// transferred is which of the ways it was, to an agent or a queue, by whom.
func (t *teller) transferred(b *systemBody) string {
	const key = "system.transferred"
	switch {
	case b.Queue != nil:
		return t.by(key+".queue", b.By)
	case b.From == nil:
		return key
	case b.By != "" && b.To != nil && b.By == b.To.ID:
		return key + ".takeover"
	}
	return key + ".from"
}

// ended tells by whom and why.
func (t *teller) ended(by, reason string) string {
	key := "system.ended.reason." + reason
	if _, known := t.words[key]; known && (by == "" || by == t.session.User.ID) {
		return t.words.say(key)
	}
	return t.words.say(t.by("system.ended", by), "by", t.name(by)) + t.because(reason)
}

func (t *teller) because(reason string) string {
	if reason == "" {
		return ""
	}
	return t.words["colon"] + reason
}

// by is the key that tells who did it, where that is known and there is one.
func (t *teller) by(key, id string) string {
	if id == "" {
		return key
	}
	return t.first(key+".by", key)
}

// first is the one key, where there are words for it, or the other.
func (t *teller) first(key, other string) string {
	if _, known := t.words[key]; known {
		return key
	}
	return other
}

func (t *teller) queueOf(id *string) string {
	if id == nil {
		return ""
	}
	return t.queue(*id)
}
