package faults

import (
	"fmt"
	"slices"
	"time"
)

// facts are what a session is.
type facts struct {
	ID, Queue, State, User, Agent string
	Seq                           int64
	Score                         int
	Ended                         time.Time // zero while it has not
}

// count is what the server says of somebody's unread messages.
type count struct {
	Session, Who, Role string
	Unread, ReadSeq    int64
}

// evidence is all that is checked at one time.
type evidence struct {
	at       time.Time // when it was gathered
	sessions map[string]facts
	log      map[string][]message // by session
	archive  map[string][]message // likewise, without what was superseded
	views    []seen
	counts   []count
	capacity map[string]int // of agents
	sends    map[string]sent
	ops      []op
	reads    []readMark
	rates    []rated
	opened   map[string]string // sessions' first queues, of those of which it is known
	lossy    []span
	clock    []step // of Redis's
}

// maybeLost tells whether Redis may have lost what it did in a time.
func (e *evidence) maybeLost(from, to time.Time) bool {
	return slices.ContainsFunc(e.lossy, func(s span) bool { return !to.Before(s.from) && !from.After(s.to) })
}

// safety are the checks that hold at any time, but for those of ownership by time. lost is how many
// acknowledged messages are gone that Redis may have lost.
func (e *evidence) safety() (found []violation, lost int) {
	for id, s := range e.sessions {
		found = append(found, checkSeqs(s, e.log[id])...)
		found = append(found, checkLog(s, e.log[id])...)
	}
	sent, lost := e.checkSent()
	found = append(found, sent...)
	found = append(found, e.checkMarks()...)
	found = append(found, e.checkRatings()...)
	return append(found, e.checkCapacity()...), lost
}

// converging are the checks that hold once what is under way has arrived.
func (e *evidence) converging() (found []violation) {
	for _, v := range e.views {
		found = append(found, e.checkView(v)...)
	}
	for _, c := range e.counts {
		found = append(found, e.checkCount(c)...)
	}
	for id := range e.sessions {
		found = append(found, checkArchive(id, e.log[id], e.archive[id])...)
	}
	for id := range e.archive {
		if _, known := e.sessions[id]; !known {
			found = append(found, violation{"it is in the archive only", id, time.Time{}})
		}
	}
	return append(found, e.checkSettled()...)
}

// checkSeqs: a log has each seq from 1 to the last once, each mid once.
func checkSeqs(s facts, log []message) (found []violation) {
	mids := map[string]int64{}
	for i, m := range log {
		if m.Seq != int64(i+1) {
			return []violation{{fmt.Sprintf("its log has seq %d where %d should be", m.Seq, i+1), s.ID, m.At}}
		}
		if other, twice := mids[m.Mid]; twice {
			found = append(found, violation{fmt.Sprintf("message %s is seq %d and %d", m.Mid, other, m.Seq), s.ID, m.At})
		}
		mids[m.Mid] = m.Seq
	}
	if s.Seq != int64(len(log)) {
		found = append(found, violation{fmt.Sprintf("its seq is %d, its log has %d", s.Seq, len(log)), s.ID, time.Time{}})
	}
	return found
}

// checkSent: each acknowledged message is in its session once, as it was acknowledged; one that was not
// is there once at most; no other one is there.
func (e *evidence) checkSent() (found []violation, lost int) {
	there := map[string][]message{}
	for id, log := range e.log {
		for _, m := range log {
			if m.Type == "system" {
				continue
			}
			s, ours := e.sends[m.Mark]
			if !ours || s.Session != id || s.By != m.From {
				found = append(found, violation{fmt.Sprintf("nobody sent message %d: %q by %s", m.Seq, m.Body, m.From), id, m.At})
			}
			there[m.Mark] = append(there[m.Mark], m)
		}
	}
	for mark, s := range e.sends {
		has := there[mark]
		switch {
		case len(has) > 1:
			found = append(found, violation{fmt.Sprintf("%s is there %d times, as %d and %d", mark, len(has), has[0].Seq, has[1].Seq), s.Session, has[1].At})
		case s.Acked.IsZero():
		case len(has) == 1 && has[0].Seq == s.Seq && has[0].Mid == s.Mid:
		case e.maybeLost(s.Began, s.Acked):
			lost++
		case len(has) == 0:
			found = append(found, violation{fmt.Sprintf("%s was acknowledged as %d (%s), and is gone", mark, s.Seq, s.Mid), s.Session, s.Acked})
		default:
			found = append(found, violation{fmt.Sprintf("%s was acknowledged as %d (%s), and is %d (%s)", mark, s.Seq, s.Mid, has[0].Seq, has[0].Mid), s.Session, s.Acked})
		}
	}
	return found, lost
}

// takesPart tells whether somebody is in a session.
func (s facts) takesPart(who, role string) bool {
	if role == "user" {
		return s.User == who
	}
	return s.Agent == who && s.State != "ended"
}

// told is for how long after its end a session is told of to who connects: an hour, less what a slow machine takes.
const told = 50 * time.Minute

// checkView: whoever is in a session has its whole log, but for notes a user does not see; what
// anybody was shown is in the log.
func (e *evidence) checkView(v seen) (found []violation) {
	for id, s := range e.sessions {
		if !s.takesPart(v.Who, v.Role) || !s.Ended.IsZero() && s.Ended.Before(e.at.Add(-told)) {
			continue
		}
		h := v.Sessions[id]
		for _, m := range e.log[id] {
			if m.Type == "note" && v.Role == "user" {
				continue
			}
			if h.events[m.Seq] != m.Mid && !h.own[m.Mid] {
				found = append(found, violation{fmt.Sprintf("%s has not message %d (%s, %s) but %q", v.Who, m.Seq, m.Mid, m.Type, h.events[m.Seq]), id, m.At})
				break // one is enough
			}
		}
	}
	for id, h := range v.Sessions {
		s, known := e.sessions[id]
		for seq, mid := range h.events {
			inLog := seq <= int64(len(e.log[id])) && e.log[id][seq-1].Mid == mid
			// Who takes no part any more is not told that what it was shown is gone.
			excused := known && !s.takesPart(v.Who, v.Role) && len(e.lossy) > 0
			if !inLog && !excused {
				found = append(found, violation{fmt.Sprintf("%s was shown %s as %d, and that is not in the log", v.Who, mid, seq), id, time.Time{}})
				break
			}
		}
	}
	return found
}

// checkArchive: the archive has what the log has, and no more.
func checkArchive(id string, log, archived []message) (found []violation) {
	for i, m := range log {
		if i >= len(archived) {
			return []violation{{fmt.Sprintf("the archive has %d messages, the log %d", len(archived), len(log)), id, m.At}}
		}
		if a := archived[i]; a.Seq != m.Seq || a.Mid != m.Mid || a.Type != m.Type || a.Mark != m.Mark || a.From != m.From && m.Type != "system" {
			return []violation{{fmt.Sprintf("the archive has %d (%s, %s) where the log has %d (%s, %s)", a.Seq, a.Mid, a.Mark, m.Seq, m.Mid, m.Mark), id, m.At}}
		}
	}
	if len(archived) > len(log) {
		return []violation{{fmt.Sprintf("the archive has %d messages, the log %d", len(archived), len(log)), id, time.Time{}}}
	}
	return nil
}

// checkCount: unread is what the log has above the mark, of others.
func (e *evidence) checkCount(c count) []violation {
	var want int64
	for _, m := range e.log[c.Session] {
		if m.Seq > c.ReadSeq && m.Type != "system" && m.From != c.Who && (m.Type != "note" || c.Role != "user") {
			want++
		}
	}
	if want != c.Unread {
		return []violation{{fmt.Sprintf("%s has %d unread after %d, and is told %d", c.Who, want, c.ReadSeq, c.Unread), c.Session, time.Time{}}}
	}
	return nil
}

// checkMarks: a user's mark is where it read last. (An agent's begins anew with each time it takes part.)
func (e *evidence) checkMarks() (found []violation) {
	furthest := map[[2]string]readMark{}
	for _, r := range e.reads {
		if e.maybeLost(r.At.Add(-patience), r.At) {
			continue
		}
		at := [2]string{r.Session, r.By}
		if r.Seq > furthest[at].Seq {
			furthest[at] = r
		}
		if r.Told < r.Seq {
			found = append(found, violation{fmt.Sprintf("%s has read up to %d and is told %d", r.By, r.Seq, r.Told), r.Session, r.At})
		}
	}
	for _, c := range e.counts {
		r := furthest[[2]string{c.Session, c.Who}]
		if c.Role == "user" && c.ReadSeq < r.Seq {
			found = append(found, violation{fmt.Sprintf("%s has read up to %d, and its mark is %d", c.Who, r.Seq, c.ReadSeq), c.Session, r.At})
		}
	}
	return found
}

func (e *evidence) checkRatings() (found []violation) {
	for _, r := range e.rates {
		if s, known := e.sessions[r.Session]; known && s.Score != r.Score && !e.maybeLost(r.At.Add(-patience), r.At) {
			found = append(found, violation{fmt.Sprintf("it was rated %d, and has %d", r.Score, s.Score), r.Session, r.At})
		}
	}
	return found
}

// checkCapacity: nobody owns more than it has room for.
func (e *evidence) checkCapacity() (found []violation) {
	owns := map[string]int{}
	for _, s := range e.sessions {
		if s.State != "ended" && s.Agent != "" {
			owns[s.Agent]++
		}
	}
	for a, n := range owns {
		if n > e.capacity[a] {
			found = append(found, violation{fmt.Sprintf("%s owns %d sessions and has room for %d", a, n, e.capacity[a]), "", time.Time{}})
		}
	}
	return found
}

// checkSettled: what has a time-out has come to it.
func (e *evidence) checkSettled() (found []violation) {
	for id, s := range e.sessions {
		if !slices.Contains([]string{"waiting", "serving", "ended"}, s.State) {
			found = append(found, violation{"it is stuck: " + s.State, id, time.Time{}})
		}
	}
	return found
}

// checkEnded: once everybody has gone, each session ends by its timers.
func (e *evidence) checkEnded() (found []violation) {
	for id, s := range e.sessions {
		if s.State != "ended" {
			found = append(found, violation{"everybody has gone, and it is " + s.State, id, time.Time{}})
		}
	}
	return found
}
