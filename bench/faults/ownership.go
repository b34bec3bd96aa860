package faults

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Commands that concern who owns a session, and what the broker does by itself.
const (
	opGrab    = "grab"
	opRequeue = "transfer to a queue"
	opOffer   = "offer"
	opAccept  = "accept"
	opDecline = "decline"
	opCancel  = "cancel"
	opEnd     = "end by the owner" // the user is asked
	opUserEnd = "end by the user"
	opReopen  = "reopen"

	bySelfRequeued = "requeued by the broker"
	bySelfExpired  = "offer expired"
	bySelfDeclined = "offer declined, for its target is gone"
	bySelfEnded    = "ended by the broker"
	bySelfOffered  = "offered by the broker"
)

// owned is whose a session is, as one after the other would see it.
type owned struct {
	owner, target string
	from          string // who offers it to the target; "" for the broker
	moved         string // who put it back last
	ended         bool
}

// step is what a command does: whether it may be answered ok, whether it must not be refused, and what then is.
func (s owned) step(o op) (may, must bool, next owned) {
	next = s
	live := !s.ended
	switch o.What {
	case opGrab:
		may = live && (s.owner == "" || s.owner == o.By)
		if s.owner == "" {
			next = owned{owner: o.By}
		}
		return may, may, next
	case opRequeue:
		next.owner, next.target, next.moved = "", "", o.By
		return live && (s.owner == o.By || s.owner == "" && s.moved == o.By), live && s.owner == o.By, next
	case opOffer:
		again := s.target == o.To && s.from == o.By
		next.target, next.from = o.To, o.By
		return live && s.owner == o.By && (s.target == "" || again), false, next
	case opAccept:
		may = live && (s.owner == o.By || s.target == o.By)
		if s.owner != o.By {
			next = owned{owner: o.By}
		}
		return may, may, next
	case opDecline:
		if s.target == o.By {
			next.target = ""
		}
		return live && (s.target == o.By || s.target == ""), live && s.target == o.By, next // asked again, it is answered ok
	case opCancel:
		next.target = ""
		return live && s.owner == o.By, live && s.owner == o.By && s.target != "", next
	case opEnd:
		if live {
			next.target = ""
		}
		return s.ended || s.owner == o.By, false, next
	case opUserEnd, bySelfEnded:
		next.ended, next.target = true, ""
		return o.What == opUserEnd || live, false, next
	case opReopen:
		if s.ended {
			next = owned{}
		}
		return s.ended || s.owner == "", false, next
	case bySelfRequeued:
		next.owner, next.target = "", ""
		return live, false, next
	case bySelfExpired:
		next.target = ""
		return live && s.target != "", false, next
	case bySelfDeclined:
		next.target = ""
		return live && s.target == o.To, false, next
	case bySelfOffered:
		next.target, next.from = o.To, ""
		return live && s.owner == "" && s.target == "", false, next
	}
	return false, false, s
}

// ownership is what a session must be linearizable to. An unknown outcome may take effect at any
// time, or never, which is as good as at the very end.
var ownership = porcupine.Model{
	Init: func() any { return owned{} },
	Step: func(state, input, output any) (bool, any) {
		s := state.(owned) //nolint:forcetypeassert // ours
		may, must, next := s.step(input.(op))
		if next.target == "" {
			next.from = ""
		}
		switch {
		case output == outOK:
			return may, next
		case output == outNo:
			return !must, s
		case may:
			return true, next
		}
		return true, s
	},
	Equal: func(a, b any) bool { return a == b },
}

// system is the body of a system message.
type system struct {
	What    string              `json:"what"`
	By      string              `json:"by"`
	Queue   string              `json:"queue"`
	Reason  string              `json:"reason"`
	Outcome string              `json:"outcome"`
	Agent   struct{ ID string } `json:"agent"`
	From    struct{ ID string } `json:"from"`
	To      struct{ ID string } `json:"to"`
}

func systemOf(m message) (s system, ok bool) {
	if m.Type != "system" {
		return s, false
	}
	return s, json.Unmarshal([]byte(m.Body), &s) == nil
}

// bySelf are the broker's own steps, which the log tells of, each within a moment of its time.
func (e *evidence) bySelf(session, user string, log []message) (ops []op) {
	const clocks = 20 * time.Millisecond
	for _, m := range log {
		s, ok := systemOf(m)
		from, to := when(e.clock, m.At)
		o := op{Session: session, Call: from.Add(-clocks), Return: to.Add(clocks), Out: outOK}
		switch {
		case !ok:
		case s.What == "requeued":
			o.What = bySelfRequeued
		case s.What == "declined" && s.Outcome == "expired":
			o.What = bySelfExpired
		case s.What == "declined" && s.Outcome == "declined" && s.Reason != "": // a person's reason is a note
			o.What, o.To = bySelfDeclined, s.By
		case s.What == "ended" && (s.By != user || s.Reason == "idle" || s.Reason == "abandoned"):
			o.What = bySelfEnded
		case s.What == "offered" && !strings.HasPrefix(s.By, "agent-"):
			o.What, o.To = bySelfOffered, s.To.ID
		}
		if o.What != "" {
			ops = append(ops, o)
		}
	}
	return ops
}

// assigns tells whether the broker may have given a session to somebody who did not ask.
func assigns(first string, log []message) bool {
	return first == queueAuto || first == "" || slices.ContainsFunc(log, func(m message) bool {
		s, ok := systemOf(m)
		return ok && s.Queue == queueAuto
	})
}

// checkOwnership compares the commands on each session, as their callers saw them, with what they would do one
// after the other. Sessions of which Redis may have lost something, and such as are assigned, are left to checkLog.
func (e *evidence) checkOwnership(limit time.Duration) (found []violation, checked, open int) {
	bySession := map[string][]op{}
	for _, o := range e.ops {
		if o.Session != "" {
			bySession[o.Session] = append(bySession[o.Session], o)
		}
	}
	for id, ops := range bySession {
		s, known := e.sessions[id]
		if !known || assigns(e.opened[id], e.log[id]) || slices.ContainsFunc(ops, func(o op) bool { return e.maybeLost(o.Call, o.Return) }) {
			continue
		}
		ops = append(ops, e.bySelf(id, s.User, e.log[id])...)
		ops = append(ops, e.loose(e.log[id])...)
		var all []porcupine.Operation
		for _, o := range ops {
			call, ret := o.Call.UnixNano(), o.Return.UnixNano()
			if o.Out == outUnknown {
				ret = math.MaxInt64
			}
			all = append(all, porcupine.Operation{Input: o, Call: call, Output: o.Out, Return: ret})
		}
		checked++
		switch porcupine.CheckOperationsTimeout(ownership, clients(all), limit) {
		case porcupine.Illegal:
			found = append(found, violation{"who owns it is not linearizable: " + history(ops) + transitions(e.log[id]), id, time.Time{}})
		case porcupine.Unknown:
			open++
		}
	}
	return found, checked, open
}

// clients gives each operation a client of its own: one person's may overlap, where it left and came back.
func clients(history []porcupine.Operation) []porcupine.Operation {
	for i := range history {
		history[i].ClientId = i
	}
	return history
}

func history(ops []op) string {
	slices.SortFunc(ops, func(a, b op) int { return a.Call.Compare(b.Call) })
	var b strings.Builder
	for _, o := range ops {
		_, _ = fmt.Fprintf(&b, "\n    %s … %s  %s: %s %s → %s", o.Call.Format("15:04:05.000"), o.Return.Format("15:04:05.000"), o.By, o.What, o.To, o.Out)
	}
	return b.String()
}

// transitions are what a log tells of who owned it.
func transitions(log []message) string {
	var b strings.Builder
	for _, m := range log {
		if m.Type == "system" {
			_, _ = fmt.Fprintf(&b, "\n    %s  message %d tells of %s", m.At.Format("15:04:05.000"), m.Seq, m.Body)
		}
	}
	return b.String()
}

// loose are the grabs from a queue of which nobody knows what they took, where a log tells that it may be this session.
func (e *evidence) loose(log []message) (ops []op) {
	for _, o := range e.ops {
		if o.Session != "" || o.What != opGrab || o.Out != outUnknown {
			continue
		}
		if slices.ContainsFunc(log, func(m message) bool {
			s, ok := systemOf(m)
			_, at := when(e.clock, m.At)
			return ok && s.What == "grabbed" && s.Agent.ID == o.By && at.After(o.Call.Add(-time.Second))
		}) {
			ops = append(ops, o)
		}
	}
	return ops
}

// checkLog replays the transitions that a log tells of: each must follow from the one before, and what they
// come to is what the session says. No two ever own it.
func checkLog(s facts, log []message) (found []violation) {
	st, began := owned{}, false
	for _, m := range log {
		is, ok := systemOf(m)
		if !ok {
			continue
		}
		legal, next := st.follows(is, began)
		if !legal {
			found = append(found, violation{fmt.Sprintf("message %d tells of %s, which cannot follow: owner %q, target %q, ended %v", m.Seq, m.Body, st.owner, st.target, st.ended), s.ID, m.At})
		}
		st, began = next, true
	}
	if owner := st.owner; owner != s.Agent || st.ended != (s.State == "ended") {
		found = append(found, violation{fmt.Sprintf("it is %s of %q, and its log says: owner %q, ended %v", s.State, s.Agent, owner, st.ended), s.ID, time.Time{}})
	}
	return found
}

// follows tells whether a system message may come now, and what then is.
func (s owned) follows(m system, began bool) (legal bool, next owned) {
	next, live := s, began && !s.ended
	switch m.What {
	case "opened":
		return !began, owned{}
	case "grabbed":
		return live && s.owner == "", owned{owner: m.Agent.ID}
	case "offered":
		next.target = m.To.ID
		return live && (s.target == "" || s.owner == ""), next
	case "declined":
		next.target = ""
		return live, next
	case "transferred":
		if m.Queue != "" {
			return live, owned{}
		}
		return live && s.owner == m.From.ID && s.owner != m.To.ID, owned{owner: m.To.ID}
	case "requeued":
		return live, owned{}
	case "ending":
		next.target = ""
		return live && s.owner != "", next
	case "ended":
		next.ended, next.target = true, ""
		return live, next
	case "reopened":
		return began && s.ended, owned{}
	}
	return true, s
}
