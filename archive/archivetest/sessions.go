package archivetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

func sessionsAreKept(t *testing.T, a archive.Archive) {
	full := archive.Session{
		ID: "s", Rev: 7, Seq: 12, Reads: 30, State: "active", Queue: "售后", User: "uma", UserInfo: `{"id": "uma"}`, UserKind: "app",
		Agent: "ann", AgentInfo: `{"id":"ann","name":"安"}`, Target: "bob", Agents: []string{"zoe", "ann"}, Labels: []string{"$vi.p", "投诉"}, Created: Start,
		Grabbed: Start + 1, Ended: Start + 2, Read: map[string]int64{"a:ann": 12, "u:u.m$a": 9}, Snapshot: `{"all": "of it"}`,
	}
	putSessions(t, a, full, archive.Session{ID: "empty"})
	got, err := a.Session(t.Context(), "s")
	require.NoError(t, err)
	sameSessions(t, []archive.Session{full}, []archive.Session{got})

	got, err = a.Session(t.Context(), "empty")
	require.NoError(t, err)
	sameSessions(t, []archive.Session{{ID: "empty"}}, []archive.Session{got})

	_, err = a.Session(t.Context(), "none")
	require.ErrorIs(t, err, archive.ErrNotFound)
	rejected, err := a.PutSessions(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// theLaterSessionStays stores versions of a session in many orders and
// writes: the latest is what remains.
func theLaterSessionStays(t *testing.T, a archive.Archive) {
	version := func(id string, n int) archive.Session {
		s := Session(id, Start)
		// The second grows by its rev, the third by its seq, the fourth by its reads;
		// what comes after in the order is smaller, and the numbers get longer.
		s.Rev, s.Seq, s.Reads = 9, 5, 30
		if n > 0 {
			s.Rev, s.Seq, s.Reads = 10, 1, 20
		}
		if n > 1 {
			s.Seq, s.Reads = 100, 3
		}
		if n > 2 {
			s.Reads = 1 << 40
		}
		s.State = fmt.Sprint("state", n)
		s.Snapshot = fmt.Sprintf(`{"n":%d}`, n)
		return s
	}
	for i, order := range []string{"0|1|2|3", "3|2|1|0", "0123", "3210", "1|3|0|2", "13|02", "3|0|3|0", "2|3|3|1"} {
		id := fmt.Sprint("s", i)
		for write := range strings.SplitSeq(order, "|") {
			var batch []archive.Session
			for _, c := range write {
				batch = append(batch, version(id, int(c-'0')))
			}
			putSessions(t, a, batch...)
		}
		got, err := a.Session(t.Context(), id)
		require.NoError(t, err)
		sameSessions(t, []archive.Session{version(id, 3)}, []archive.Session{got}, order)
	}
	require.Len(t, sessionsAll(t, a, archive.SessionQuery{}, 5), 8)
}

func newAgentsFindOldMessages(t *testing.T, a archive.Archive) {
	put(t, a, Message("s", 1, Start, "hello"), Message("s", 2, Start+1, "hello"), Message("other", 1, Start, "hello"))
	found := func(agents ...string) []string {
		return mids(searchAll(t, a, archive.SearchQuery{Words: []string{"hello"}, Agents: agents}, 10))
	}
	require.Len(t, found("ann"), 3)
	require.Empty(t, found("b.o$b"))

	s := Session("s", Start)
	s.Rev, s.Agents, s.NewAgents = 5, []string{"ann", "b.o$b"}, true
	putSessions(t, a, s)
	require.Equal(t, []string{"s/000002", "s/000001"}, found("b.o$b"))
	require.Equal(t, []string{"s/000002", "s/000001"}, found("b.o$b", "ann"))
	require.Empty(t, found("b.o$b", "cid"))

	// An earlier version that comes late does not become the session, and yet
	// tells of somebody who took part.
	s.Rev, s.Agents = 4, []string{"ann", "cid"}
	putSessions(t, a, s)
	require.Equal(t, []string{"s/000002", "s/000001"}, found("cid", "b.o$b"))
	got, err := a.Session(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, []string{"ann", "b.o$b"}, got.Agents)
	require.False(t, got.NewAgents)
	require.Len(t, messages(t, a, "s"), 2)
}

func badSessionsAreRejected(t *testing.T, a archive.Archive) {
	bad := func(id string, f func(s *archive.Session)) archive.Session {
		s := Session(id, Start)
		f(&s)
		return s
	}
	large := bad("large", func(s *archive.Session) { s.Snapshot = `"` + strings.Repeat("x", archive.MaxItem-2) + `"` })
	batch := []archive.Session{
		bad("", func(*archive.Session) {}),
		Session("good", Start),
		bad("b", func(s *archive.Session) { s.Snapshot += strings.Repeat(" ", archive.MaxItem) }),
		bad("c", func(s *archive.Session) { s.UserInfo = "\xff" }),
		large,
		bad("d", func(s *archive.Session) { s.Labels = []string{"\xff"} }),
	}
	for range 2 {
		rejected, err := a.PutSessions(t.Context(), batch)
		require.NoError(t, err)
		requireRejected(t, rejected, 0, 2, 3, 5)
	}
	got := sessionsAll(t, a, archive.SessionQuery{}, 10)
	sameSessions(t, []archive.Session{large, batch[1]}, got)
	rejected, err := a.PutSessions(t.Context(), batch[:1])
	require.NoError(t, err)
	requireRejected(t, rejected, 0)
}

// oddIDs are ids that a store might take for something else.
var oddIDs = []string{"a.b", "$a", "a$", "{a}", "a'b", `a"b`, `a\b`, "a b", "a%", "a_", "a*", "客服", "😀", "é", "A", "a", "--", "", "null", "0"}

// sessionsAreFound asks for sessions by every combination of filters, in pages
// of several sizes, and compares with what the filters say of each.
func sessionsAreFound(t *testing.T, a archive.Archive) {
	var all []archive.Session
	for i := range 60 {
		s := Session(fmt.Sprintf("%02x-%s-%d", i*37%60, oddIDs[i%len(oddIDs)], i), Start+int64(i/7)) // seven of a time
		s.State = []string{"waiting", "active", "ended", "en.ded"}[i%4]
		s.Queue = []string{"sales", "$sa.les", "售后"}[i%3]
		s.User = []string{"uma", "u'm\"a"}[i/2%2]
		if i%5 > 0 {
			s.Agents = []string{"ann", "b.o$b", "客{}服", "dan"}[i%3 : i%3+1+i%2]
		}
		s.Labels = []string{"vip", "$vi.p", "投'诉"}[i/4%3 : 3-i%(4-i/4%3)]
		all = append(all, s)
	}
	putSessions(t, a, all...)
	slices.SortFunc(all, func(a, b archive.Session) int {
		return -cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	for _, q := range sessionQueries() {
		var want []string
		for _, s := range all {
			if sessionMatches(q, s) {
				want = append(want, s.ID)
			}
		}
		for _, page := range []int{1, 4, 100} {
			var got []string
			for _, s := range sessionsAll(t, a, q, page) {
				got = append(got, s.ID)
			}
			require.Equal(t, want, got, "%+v by %d", q, page)
		}
		q.Before, q.Limit = &archive.SessionPlace{Created: Start + 1, ID: "x"}, 1 // which do not matter here
		n, err := a.CountSessions(t.Context(), q)
		require.NoError(t, err)
		require.EqualValues(t, len(want), n, "%+v", q)
	}
}

// sessionQueries gives every combination of some filters.
func sessionQueries() []archive.SessionQuery {
	out := []archive.SessionQuery{{}}
	for _, set := range []func(q *archive.SessionQuery){
		func(q *archive.SessionQuery) { q.States = []string{"ended"} },
		func(q *archive.SessionQuery) { q.States = []string{"waiting", "en.ded", "none", "waiting"} },
		func(q *archive.SessionQuery) { q.Queue = "$sa.les" },
		func(q *archive.SessionQuery) { q.User = "u'm\"a" },
		func(q *archive.SessionQuery) { q.Agent = "b.o$b" },
		func(q *archive.SessionQuery) { q.Since, q.Until = Start+2, Start+6 },
	} {
		for _, q := range out {
			set(&q)
			out = append(out, q)
		}
	}
	for i, q := range out {
		if i%7 == 0 { // with all of them the tests would take twice their time
			q.Label = "$vi.p"
			out = append(out, q)
		}
	}
	return append(out, archive.SessionQuery{Since: Start + 4}, archive.SessionQuery{Until: Start + 4},
		archive.SessionQuery{Since: Start + 4, Until: Start + 4}, archive.SessionQuery{User: "nobody"}, archive.SessionQuery{Agent: "客{}服"},
		archive.SessionQuery{Label: "投'诉"}, archive.SessionQuery{Label: "none"})
}

func sessionMatches(q archive.SessionQuery, s archive.Session) bool {
	return (len(q.States) == 0 || slices.Contains(q.States, s.State)) &&
		(q.Queue == "" || q.Queue == s.Queue) &&
		(q.User == "" || q.User == s.User) &&
		(q.Agent == "" || slices.Contains(s.Agents, q.Agent)) &&
		(q.Label == "" || slices.Contains(s.Labels, q.Label)) &&
		s.Created >= q.Since && (q.Until == 0 || s.Created < q.Until)
}

// agentsFindTheirSessions: it is who took part that counts, not who owns it,
// and messages alone make no session.
func agentsFindTheirSessions(t *testing.T, a archive.Archive) {
	s := Session("s", Start)
	s.Agent, s.Agents = "", []string{"ann", "bob"}
	put(t, a, Message("s", 1, Start, "before"), Message("t", 1, Start, "alone"))
	putSessions(t, a, s)
	for _, agent := range []string{"ann", "bob"} {
		require.Len(t, sessionsAll(t, a, archive.SessionQuery{Agent: agent}, 1), 1)
		n, err := a.CountSessions(t.Context(), archive.SessionQuery{Agent: agent, States: []string{"waiting", "active"}})
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	}
	require.Empty(t, sessionsAll(t, a, archive.SessionQuery{Agent: "cid"}, 1))
}

// changedSessionsAreFoundAsTheyAre: what a session was no longer finds it.
func changedSessionsAreFoundAsTheyAre(t *testing.T, a archive.Archive) {
	for i := range 10 {
		putSessions(t, a, Session(fmt.Sprint("s", i), Start+int64(i)))
	}
	s := Session("s3", Start+20)
	s.Rev, s.State, s.Queue, s.User, s.Agents = 2, "active", "售后", "eve", []string{"ann"}
	putSessions(t, a, s)
	s.Rev, s.Created, s.Agents, s.Labels = 3, Start+30, []string{"ann", "bob"}, []string{"vip", "old"}
	putSessions(t, a, s)
	late := s
	late.Rev, late.Labels = 2, []string{"late"}
	putSessions(t, a, late)
	s.Rev, s.Labels = 4, []string{"new", "vip"}
	putSessions(t, a, s)
	s.Rev, s.Created = 5, Start+40
	putSessions(t, a, s)
	for _, q := range []archive.SessionQuery{{States: []string{"active"}}, {Queue: "售后"}, {User: "eve"}, {Agent: "ann"}, {Agent: "bob"}, {Label: "vip"},
		{Label: "new"}, {Label: "vip", Agent: "bob"}, {Since: Start + 40}} {
		sameSessions(t, []archive.Session{s}, sessionsAll(t, a, q, 1), "%+v", q)
	}
	for _, label := range []string{"old", "late"} {
		require.Empty(t, sessionsAll(t, a, archive.SessionQuery{Label: label}, 2), label)
	}
	require.Len(t, sessionsAll(t, a, archive.SessionQuery{States: []string{"waiting"}}, 2), 9)
	require.Len(t, sessionsAll(t, a, archive.SessionQuery{}, 3), 10)
}
