package renumber

import (
	"encoding/json"
	"strings"

	"bellhop/broker/chat"
)

// rule says which partitions get what of the keys of a kind. Without either, what is
// under them is of no use under another numbering, or is moved by itself: see finish.
type rule struct {
	whole  func(m *Mover, from int, id string) []int     // get the key as it is: by what comes after its kind
	member func(m *Mover, from int, member string) []int // get one member of a set
}

// rules has one for each of scripts.Kinds but those that are of no partition.
var rules = map[string]rule{
	"session": {whole: ofSession}, "log": {whole: ofSession}, "unread": {whole: ofSession}, "read": {whole: ofSession},
	"keys": {whole: ofSession}, "authors": {whole: ofSession}, "recalled": {whole: ofSession},

	"sessions": {member: ofSession}, "states": {member: ofState}, "labelled": {member: ofState}, "waiting": {member: ofSession},
	"hooks": {member: ofSession}, "hooks_late": {member: ofSession},
	"dirty": {member: ofDirty}, "late": {member: ofDirty}, "aside": {member: ofDirty},
	"timers": {member: ofTimer}, "outbox": {member: ofEffect},

	"profile": {whole: ofParticipant}, "ahead": {whole: ofParticipant}, "conns": {whole: ofParticipant}, "mine": {whole: ofParticipant},
	"listed": {whole: ofParticipant}, "uploads": {whole: ofParticipant}, "rate": {whole: ofRate},
	"open": {whole: ofID}, "load": {whole: ofID}, "token": {whole: ofID}, "move": {whole: ofID}, "left": {whole: ofID}, "failed": {whole: ofID},
	"agents": {member: ofID}, "node": {member: ofParticipant}, // whose connections are cleared then: no node of before is there

	"queues": {whole: first}, "canned": {whole: first}, "shortcuts": {whole: first},
	"strange": {member: everywhere}, // where nobody waits in one it goes again

	"rules": {}, "stats": {}, "dead": {}, "epoch": {}, // finish
	"named": {}, "crews": {}, // counted anew by each node that starts
	"presences": {},                                                                                                                                           // numbers of what is told from now on
	"nodes":     {}, "clearing": {}, "leases": {}, "recovering": {}, "flusher": {}, "fence": {}, "dispatch": {}, "dispatchers": {}, "alive": {}, "epochs": {}, // of nodes that are no more
}

// own are the names of the keys that each partition has one of, by their kinds.
var own = map[string]string{
	"timers": "timers", "dirty": "dirty", "aside": "aside", "late": "late", "hooks": "hooks", "hooks_late": "hooks-late", "dead": "dead",
	"outbox": "outbox", "sessions": "sessions", "states": "states", "agents": "agents", "named": "named", "nodes": "nodes",
	"clearing": "clearing", "leases": "leases", "epoch": "epoch", "recovering": "recovering", "stats": "stats", "flusher": "flusher", "fence": "fence",
	"strange": "strange", "rules": "rules", "queues": "queues", "canned": "canned", "crews": "crews", "presences": "presences",
	"dispatchers": "dispatchers", "alive": "alive", "epochs": "epochs", "labelled": "labelled",
}

var ownKinds = func() map[string]string {
	kinds := map[string]string{}
	for kind, name := range own {
		kinds[name] = kind
	}
	return kinds
}()

// kindOf takes the name of a key apart: its kind, and what it is of; "" for none of ours.
func kindOf(name string) (kind, id string) {
	if kind := ownKinds[name]; kind != "" {
		return kind, ""
	}
	kind, id, ok := strings.Cut(name, ":")
	switch {
	case !ok:
		return "", ""
	case kind == "s":
		session, part, below := strings.Cut(id, ":")
		if !below {
			return "session", session
		}
		return part, session
	case kind == "move":
		id, part, below := strings.Cut(id, ":")
		if !below {
			return kind, id
		}
		return part, id
	case kind == "canned":
		return "shortcuts", id
	}
	if _, known := rules[kind]; !known || own[kind] != "" {
		return "", ""
	}
	return kind, id
}

func ofID(m *Mover, _ int, id string) []int           { return []int{m.to.Index(id)} }
func ofParticipant(m *Mover, _ int, who string) []int { return []int{m.to.Index(chat.IDOf(who))} }
func first(*Mover, int, string) []int                 { return []int{0} }

func ofRate(m *Mover, from int, name string) []int {
	_, who, _ := strings.Cut(name, ":")
	return ofParticipant(m, from, who)
}

func everywhere(m *Mover, _ int, _ string) []int {
	all := make([]int, len(m.parts))
	for i := range all {
		all[i] = i
	}
	return all
}

// ofSession is where its user is. One that is nowhere has left a trace only, which
// whoever meets it removes.
func ofSession(m *Mover, from int, session string) []int {
	if i, ok := m.to.IndexOf(session); ok {
		return []int{i}
	}
	if i, ok := m.olderAt(session); ok {
		return []int{i}
	}
	return []int{m.beside(from)}
}

// ofState: the mark that a list is whole is made by finish.
func ofState(m *Mover, from int, member string) []int {
	if member == "" {
		return nil
	}
	return ofSession(m, from, member[strings.LastIndexByte(member, '|')+1:])
}

// ofDirty: sessions, and records under their kind.
func ofDirty(m *Mover, from int, member string) []int {
	kind, id, record := strings.Cut(member, "|")
	switch {
	case !record:
		return ofSession(m, from, member)
	case kind == "profile":
		return ofParticipant(m, from, id)
	case kind == "token":
		return ofID(m, from, id)
	default: // of the whole deployment
		return first(m, from, id)
	}
}

// ofTimer is where it is carried out. What a partition that fell back owes, all do.
func ofTimer(m *Mover, from int, member string) []int {
	kind, id, _ := strings.Cut(member, "|")
	switch kind {
	case "gone", "move":
		return ofID(m, from, id)
	case "place":
		_, agent, _ := strings.Cut(id, "|")
		return ofID(m, from, agent)
	case "recover":
		return everywhere(m, from, id)
	default:
		return ofSession(m, from, id)
	}
}

func ofEffect(m *Mover, from int, member string) []int {
	var e struct {
		Session string `json:"session"`
	}
	_ = json.Unmarshal([]byte(member), &e) // ours
	return ofSession(m, from, e.Session)
}
