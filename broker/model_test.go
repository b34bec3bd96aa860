package broker

import "bellhop/broker/chat"

// model is a session as PROTOCOL.md describes it, in plain Go.
type model struct {
	state     chat.State
	queue     string
	owner     string
	target    string
	assists   map[string]bool
	ever      map[string]bool // who took part at any time
	wrote     map[string]bool // who did, or only wrote
	log       []modelMessage
	mark      map[string]int // of participants
	labels    map[string]bool
	lastOffer [2]string // target and outcome of the last offer
	moved     [2]string // who put it into which queue last
	reopened  bool
	rating    int
}

type modelMessage struct {
	by       string // "" for the system's
	note     bool
	recalled bool
}

func (m *model) say() { m.log = append(m.log, modelMessage{}) }

func (m *model) participant(p string) bool {
	return p == "uma" || m.owner == p && p != "" || m.assists[p]
}

func (m *model) enter(p string) {
	m.ever[p], m.wrote[p] = true, true
	if _, in := m.mark[p]; !in {
		m.mark[p] = 0
	}
}

func (m *model) unread(p string) int {
	n := 0
	for i, e := range m.log {
		if e.by != "" && e.by != p && i+1 > m.mark[p] && !(e.note && p == "uma") {
			n++
		}
	}
	return n
}

func (m *model) closeOffer(outcome string) {
	if m.target != "" {
		m.lastOffer = [2]string{m.target, outcome}
		m.target = ""
	}
}

func (m *model) finish() string {
	m.closeOffer("ended")
	m.state = chat.Ended
	m.say()
	return "ok"
}

func (m *model) send(p string, note bool) string {
	switch {
	case note && p == "uma":
		return "forbidden"
	case !m.participant(p):
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	}
	m.log = append(m.log, modelMessage{by: p, note: note})
	if m.state == chat.Ending && p == "uma" {
		m.state = chat.Serving
	}
	return "ok"
}

func (m *model) grab(p string) string {
	switch {
	case m.owner == p && m.state != chat.Ended:
		return "ok"
	case m.queue != "q1":
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	case m.state != chat.Waiting:
		return "taken"
	}
	m.state, m.owner = chat.Serving, p
	m.enter(p)
	m.say()
	return "ok"
}

func (m *model) offer(p, to string) string {
	switch {
	case p == to:
		return "bad_request"
	case m.owner != p:
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	case m.state == chat.Transferring && m.target == to:
		return "ok" // asked again
	case m.state != chat.Serving:
		return "wrong_state"
	case m.queue != "q1":
		return "no_agent"
	}
	m.state, m.target = chat.Transferring, to
	m.say()
	return "ok"
}

// reads tells who may read; sue is a supervisor.
func (m *model) reads(p string) bool {
	return m.participant(p) || m.ever[p] || m.target == p && p != "" || p == "sue" || p != "uma" && m.state == chat.Waiting && m.queue == "q1"
}

func (m *model) accept(p string) string {
	switch {
	case m.owner != p && m.target != p && m.lastOffer[0] != p:
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	case m.owner == p:
		return "ok"
	case m.target != p:
		return "wrong_state"
	}
	m.state = chat.Serving
	delete(m.mark, m.owner)
	delete(m.assists, p)
	m.owner = p
	m.lastOffer, m.target = [2]string{p, "accepted"}, ""
	m.enter(p)
	m.say()
	return "ok"
}

func (m *model) withdraw(p, outcome string) string {
	may := m.target == p || m.lastOffer[0] == p
	if outcome == "cancelled" {
		may = m.owner == p
	}
	switch {
	case !may:
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	case m.state != chat.Transferring && m.lastOffer[1] == outcome && (m.state == chat.Serving || m.state == chat.Waiting):
		return "ok"
	case m.state != chat.Transferring || outcome == "declined" && m.target != p:
		return "wrong_state"
	}
	if outcome == "declined" { // why is a note
		m.log = append(m.log, modelMessage{by: p, note: true})
		m.wrote[p] = true
	}
	m.state = chat.Serving
	m.closeOffer(outcome)
	m.say()
	return "ok"
}

func (m *model) requeue(p, to string) string {
	switch {
	case m.owner != p && m.state == chat.Waiting && m.moved == [2]string{p, to} && m.queue == to:
		return "ok" // asked again
	case m.owner != p:
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	}
	m.closeOffer("cancelled")
	m.vacate()
	m.state, m.queue, m.moved = chat.Waiting, to, [2]string{p, to}
	m.say()
	return "ok"
}

func (m *model) join(p string) string {
	switch {
	case m.owner == p || m.assists[p]:
		return "ok"
	case m.queue != "q1":
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	case m.state == chat.Waiting:
		return "wrong_state"
	}
	m.assists[p] = true
	m.enter(p)
	m.say()
	return "ok"
}

func (m *model) leave(p string) string {
	switch {
	case m.owner == p:
		return "wrong_state"
	case !m.assists[p] && m.ever[p]:
		return "ok"
	case !m.assists[p]:
		return "forbidden"
	case m.state == chat.Ended:
		return "ended"
	}
	delete(m.assists, p)
	delete(m.mark, p)
	m.say()
	return "ok"
}

func (m *model) end(p string, force bool) string {
	switch {
	case p != "uma" && m.owner != p && !(m.state == chat.Ended && m.participant(p)):
		return "forbidden"
	case m.state == chat.Ended:
		return "ok"
	case p == "uma" || force:
		return m.finish()
	case m.state == chat.Ending:
		return "ok"
	}
	m.closeOffer("cancelled")
	m.state = chat.Ending
	m.say()
	return "ok"
}

func (m *model) rate(p string, score int) string {
	switch {
	case p != "uma":
		return "forbidden"
	case m.state != chat.Ended:
		return "wrong_state"
	case m.rating == score:
		return "ok"
	case m.rating != 0:
		return "too_late"
	}
	m.rating = score
	return "ok"
}

func (m *model) reopen(p string) string {
	switch {
	case p != "uma":
		return "forbidden"
	case m.state == chat.Waiting && m.reopened:
		return "ok"
	case m.state != chat.Ended:
		return "wrong_state"
	}
	m.vacate()
	m.state, m.moved, m.reopened = chat.Waiting, [2]string{}, true
	m.say()
	return "ok"
}

// vacate is for all agents, who take part no more.
func (m *model) vacate() {
	for a := range m.mark {
		if a != "uma" {
			delete(m.mark, a)
		}
	}
	m.owner, m.assists = "", map[string]bool{}
}

func (m *model) takeOver(p string) string {
	switch {
	case m.state == chat.Ended:
		return "ended"
	case m.owner == p:
		return "ok"
	}
	outcome := "cancelled"
	if m.target == p {
		outcome = "accepted"
	}
	m.closeOffer(outcome)
	delete(m.mark, m.owner)
	delete(m.assists, p)
	m.state, m.owner = chat.Serving, p
	m.enter(p)
	m.say()
	return "ok"
}

func (m *model) whisper(p string) string {
	switch {
	case m.state == chat.Ended:
		return "ended"
	case m.state == chat.Waiting:
		return "wrong_state"
	}
	m.log = append(m.log, modelMessage{by: p, note: true})
	m.wrote[p] = true
	return "ok"
}

func (m *model) label(p, add, remove string) string {
	if p == "uma" || p != "sue" && !m.participant(p) && !(m.state == chat.Ended && m.ever[p]) {
		return "forbidden"
	}
	delete(m.labels, remove)
	m.labels[add] = true
	return "ok"
}

func (m *model) read(p string, seq int) string {
	if !m.participant(p) {
		return "forbidden"
	}
	m.mark[p] = max(m.mark[p], min(seq, len(m.log)))
	return "ok"
}

func (m *model) recall(p string, seq int) string {
	switch {
	case p != "uma" && !m.wrote[p]:
		return "forbidden"
	case seq > len(m.log):
		return "not_found"
	case m.log[seq-1].by != p:
		return "forbidden"
	case m.log[seq-1].recalled:
		return "ok"
	}
	m.log[seq-1].recalled = true
	m.say()
	return "ok"
}
