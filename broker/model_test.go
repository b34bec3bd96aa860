package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/internal/testenv"
)

// model is a session as PROTOCOL.md describes it, in plain Go.
type model struct {
	state     State
	queue     string
	owner     string
	target    string
	assists   map[string]bool
	ever      map[string]bool
	log       []modelMessage
	mark      map[string]int // of participants
	lastOffer [2]string      // target and outcome of the last offer
	moved     [2]string      // who put it into which queue last
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
	m.ever[p] = true
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
	m.state = Ended
	m.say()
	return "ok"
}

func (m *model) send(p string, note bool) string {
	switch {
	case note && p == "uma":
		return "forbidden"
	case !m.participant(p):
		return "forbidden"
	case m.state == Ended:
		return "ended"
	}
	m.log = append(m.log, modelMessage{by: p, note: note})
	if m.state == Ending && p == "uma" {
		m.state = Serving
	}
	return "ok"
}

func (m *model) grab(p string) string {
	switch {
	case m.owner == p && m.state != Ended:
		return "ok"
	case m.queue != "q1":
		return "forbidden"
	case m.state == Ended:
		return "ended"
	case m.state != Waiting:
		return "taken"
	}
	m.state, m.owner = Serving, p
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
	case m.state == Ended:
		return "ended"
	case m.state == Transferring && m.target == to:
		return "ok" // asked again
	case m.state != Serving:
		return "wrong_state"
	case m.queue != "q1":
		return "no_agent"
	}
	m.state, m.target = Transferring, to
	m.say()
	return "ok"
}

// involved tells whether a session's offers are any business of somebody's.
func (m *model) involved(p string) bool {
	return m.owner == p || m.target == p || m.lastOffer[0] == p || m.ever[p]
}

func (m *model) accept(p string) string {
	switch {
	case !m.involved(p):
		return "forbidden"
	case m.state == Ended:
		return "ended"
	case m.owner == p:
		return "ok"
	case m.state != Transferring:
		return "wrong_state"
	case m.target != p:
		return "forbidden"
	}
	m.state = Serving
	delete(m.mark, m.owner)
	delete(m.assists, p)
	m.owner = p
	m.lastOffer, m.target = [2]string{p, "accepted"}, ""
	m.enter(p)
	m.say()
	return "ok"
}

func (m *model) withdraw(p, outcome string) string {
	mine := m.lastOffer[0] == p
	if outcome == "cancelled" {
		mine = m.owner == p
	}
	switch {
	case !m.involved(p):
		return "forbidden"
	case m.state == Ended:
		return "ended"
	case m.state != Transferring && mine && m.lastOffer[1] == outcome && (m.state == Serving || m.state == Waiting):
		return "ok"
	case m.state != Transferring:
		return "wrong_state"
	case outcome == "declined" && m.target != p, outcome == "cancelled" && m.owner != p:
		return "forbidden"
	}
	if outcome == "declined" { // why is a note
		m.log = append(m.log, modelMessage{by: p, note: true})
		m.ever[p] = true
	}
	m.state = Serving
	m.closeOffer(outcome)
	m.say()
	return "ok"
}

func (m *model) requeue(p, to string) string {
	switch {
	case m.owner != p && m.state == Waiting && m.moved == [2]string{p, to} && m.queue == to:
		return "ok" // asked again
	case m.owner != p:
		return "forbidden"
	case m.state == Ended:
		return "ended"
	}
	m.closeOffer("cancelled")
	for a := range m.mark {
		if a != "uma" {
			delete(m.mark, a)
		}
	}
	m.state, m.queue, m.owner, m.assists, m.moved = Waiting, to, "", map[string]bool{}, [2]string{p, to}
	m.say()
	return "ok"
}

func (m *model) join(p string) string {
	switch {
	case m.owner == p || m.assists[p]:
		return "ok"
	case m.queue != "q1":
		return "forbidden"
	case m.state == Ended:
		return "ended"
	case m.state == Waiting:
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
	case m.state == Ended:
		return "ended"
	}
	delete(m.assists, p)
	delete(m.mark, p)
	m.say()
	return "ok"
}

func (m *model) end(p string, force bool) string {
	switch {
	case p != "uma" && m.owner != p && !(m.state == Ended && m.participant(p)):
		return "forbidden"
	case m.state == Ended:
		return "ok"
	case p == "uma" || force:
		return m.finish()
	case m.state == Ending:
		return "ok"
	}
	m.closeOffer("cancelled")
	m.state = Ending
	m.say()
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
	case p != "uma" && !m.ever[p]:
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

// Random commands of many against the model, unread included, through two nodes.
func TestASessionAgainstItsModel(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineEmbedded, testenv.EngineRedis} {
		t.Run(string(e), func(t *testing.T) {
			url := testenv.Shared(t, e)
			nodes := []*Broker{startNode(t, url), startNode(t, url)}
			rapid.Check(t, func(rt *rapid.T) { compare(t.Context(), rt, nodes) })
			clean(t, nodes[0])
		})
	}
}

func compare(ctx context.Context, t *rapid.T, nodes []*Broker) {
	q1, q2 := name("q"), name("q")
	ids := map[string]string{}
	actors := map[string]Actor{"uma": {Identity: Identity{Role: RoleUser, ID: name("uma")}}}
	for _, a := range []string{"ann", "bea", "cay"} {
		id := Identity{Role: RoleAgent, ID: name(a), Queues: []string{q1}, Capacity: 3}
		require.NoError(t, nodes[0].introduce(ctx, id))
		_, err := nodes[0].setStatus(ctx, id.ID, Online, false)
		require.NoError(t, err)
		actors[a] = Actor{Identity: id}
	}
	for short, a := range actors {
		ids[a.ID] = short
	}
	s, err := nodes[0].Open(ctx, actors["uma"], OpenRequest{Queue: q1})
	require.NoError(t, err)
	m := &model{state: Waiting, queue: "q1", assists: map[string]bool{}, ever: map[string]bool{}, mark: map[string]int{"uma": 0}}
	m.say()
	agents := rapid.SampledFrom([]string{"ann", "bea", "cay"})
	anyone := rapid.SampledFrom([]string{"uma", "ann", "bea", "cay"})
	check := func(what string, want string, err error) {
		got := "ok"
		if err != nil {
			got = string(AsError(err).Code)
		}
		if got != want {
			t.Fatalf("%s: %s (%v), the model says %s", what, got, err, want)
		}
	}
	node := func() *Broker { return nodes[rapid.IntRange(0, 1).Draw(t, "node")] }
	t.Repeat(map[string]func(*rapid.T){
		"send": func(t *rapid.T) {
			p, note := anyone.Draw(t, "by"), rapid.Bool().Draw(t, "note")
			kind := TypeText
			if note {
				kind = TypeNote
			}
			_, err := node().Send(ctx, actors[p], SendRequest{Session: s.ID, Type: kind, Body: []byte(`"x"`)})
			check("send by "+p, m.send(p, note), err)
		},
		"read": func(t *rapid.T) {
			p, seq := anyone.Draw(t, "by"), rapid.IntRange(0, len(m.log)+2).Draw(t, "seq")
			r, err := node().Read(ctx, actors[p], s.ID, int64(seq))
			check("read by "+p, m.read(p, seq), err)
			if err == nil && (int(r.Unread) != m.unread(p) || int(r.ReadSeq) != m.mark[p]) {
				t.Fatalf("%s: %+v, the model says %d at %d", p, r, m.unread(p), m.mark[p])
			}
		},
		"recall": func(t *rapid.T) {
			p, seq := anyone.Draw(t, "by"), rapid.IntRange(1, len(m.log)+1).Draw(t, "seq")
			check("recall by "+p, m.recall(p, seq), node().Recall(ctx, actors[p], s.ID, int64(seq)))
		},
		"grab": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Grab(ctx, actors[p], s.ID)
			check("grab by "+p, m.grab(p), err)
		},
		"offer": func(t *rapid.T) {
			p, to := agents.Draw(t, "by"), agents.Draw(t, "to")
			_, err := node().Transfer(ctx, actors[p], TransferRequest{Session: s.ID, Agent: actors[to].ID})
			check("offer by "+p+" to "+to, m.offer(p, to), err)
		},
		"accept": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Accept(ctx, actors[p], s.ID)
			check("accept by "+p, m.accept(p), err)
		},
		"decline": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Decline(ctx, actors[p], s.ID, "no")
			check("decline by "+p, m.withdraw(p, "declined"), err)
		},
		"cancel": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Cancel(ctx, actors[p], s.ID)
			check("cancel by "+p, m.withdraw(p, "cancelled"), err)
		},
		"requeue": func(t *rapid.T) {
			p, to := agents.Draw(t, "by"), rapid.SampledFrom([]string{"q1", "q1", "q2"}).Draw(t, "to")
			_, err := node().Transfer(ctx, actors[p], TransferRequest{Session: s.ID, Queue: map[string]string{"q1": q1, "q2": q2}[to]})
			check("requeue by "+p, m.requeue(p, to), err)
		},
		"join": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Join(ctx, actors[p], s.ID, false)
			check("join by "+p, m.join(p), err)
		},
		"leave": func(t *rapid.T) {
			p := agents.Draw(t, "by")
			_, err := node().Leave(ctx, actors[p], s.ID)
			check("leave by "+p, m.leave(p), err)
		},
		"end": func(t *rapid.T) {
			if rapid.IntRange(0, 5).Draw(t, "rarely") > 0 {
				return // a session that has ended is soon boring
			}
			p, force := anyone.Draw(t, "by"), rapid.Bool().Draw(t, "force")
			_, err := node().End(ctx, actors[p], EndRequest{Session: s.ID, Force: force})
			check("end by "+p, m.end(p, force), err)
		},
		"": func(t *rapid.T) { m.sameAs(ctx, t, nodes[0], s.ID, ids) },
	})
}

// sameAs compares all that is known of the session with the model.
func (m *model) sameAs(ctx context.Context, t *rapid.T, b *Broker, session string, ids map[string]string) {
	st, err := b.look(ctx, session)
	require.NoError(t, err)
	short := func(p *Person) string {
		if p == nil {
			return ""
		}
		return ids[p.ID]
	}
	got := fmt.Sprint(st.State, short(st.Agent), short(st.Target), st.Seq, len(st.Assistants))
	want := fmt.Sprint(m.state, m.owner, m.target, len(m.log), len(m.assists))
	require.Equal(t, want, got)
	require.Len(t, st.unread, len(m.mark))
	for w, n := range st.unread {
		p := ids[idOf(w)]
		require.EqualValues(t, m.unread(p), n, "unread of %s", p)
		require.EqualValues(t, m.mark[p], st.read[w], "mark of %s", p)
	}
	entries, err := b.readLog(ctx, session, 1, st.Seq)
	require.NoError(t, err)
	for i, e := range entries {
		require.Equal(t, m.log[i].recalled, e.body == "", "recalled %d", i+1)
	}
}
