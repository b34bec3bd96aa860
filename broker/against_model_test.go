package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Random commands of many against the model, unread included, through two nodes.
func TestASessionAgainstItsModel(t *testing.T) {
	engines := []testenv.Engine{testenv.EngineRedis, testenv.EngineEmbedded}
	if testenv.RaceDetector { // what Lua does there is the same without it, and ten times as fast
		engines = engines[:1]
	}
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) {
			url := testenv.Shared(t, e)
			nodes := []*Broker{startNode(t, url), startNode(t, url)}
			rapid.Check(t, func(rt *rapid.T) { compare(t.Context(), rt, nodes) })
			clean(t, nodes[0])
		})
	}
}

// persist tries again while Redis is away.
func persist(f func() error) error {
	var err error
	for range 20 {
		if err = f(); err == nil || !chat.AsError(err).Retry() {
			return err
		}
	}
	return err
}

func compare(ctx context.Context, t *rapid.T, nodes []*Broker) {
	q1, q2 := name("q"), name("q")
	ids := map[string]string{}
	actors := map[string]chat.Actor{"uma": {Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}}
	for _, q := range []string{q1, q2} {
		s := chat.DefaultQueue(q)
		s.Sticky = 0 // offers come when they come
		require.NoError(t, persist(func() error { _, err := nodes[0].PutQueue(ctx, host, s); return err }))
	}
	require.NoError(t, persist(func() error { return nodes[1].settings.Load(ctx) }))
	for a, role := range map[string]chat.Role{"ann": chat.RoleAgent, "bea": chat.RoleAgent, "cay": chat.RoleAgent, "sue": chat.RoleSupervisor} {
		id := chat.Identity{Role: role, ID: name(a), Queues: []string{q1}, Capacity: 3}
		require.NoError(t, persist(func() error { return nodes[0].people.Introduce(ctx, id) }))
		require.NoError(t, persist(func() error { _, err := nodes[0].people.SetStatus(ctx, id.ID, chat.Online); return err }))
		actors[a] = chat.Actor{Identity: id}
	}
	for short, a := range actors {
		ids[a.ID] = short
	}
	s, err := nodes[0].Open(ctx, actors["uma"], chat.OpenRequest{Queue: q1})
	require.NoError(t, err)
	m := &model{state: chat.Waiting, queue: "q1", assists: map[string]bool{}, ever: map[string]bool{}, wrote: map[string]bool{}, mark: map[string]int{"uma": 0},
		labels: map[string]bool{}}
	m.say()
	agents := rapid.SampledFrom([]string{"ann", "bea", "cay"})
	anyone := rapid.SampledFrom([]string{"uma", "ann", "bea", "cay"})
	sue := actors["sue"]
	check := func(what string, want string, err error) {
		got := "ok"
		if err != nil {
			got = string(chat.AsError(err).Code)
		}
		if got != want {
			t.Fatalf("%s: %s (%v), the model says %s", what, got, err, want)
		}
	}
	session := func() chat.Session {
		got, err := nodes[0].sessions.Session(ctx, host, s.ID)
		require.NoError(t, err)
		return got
	}
	node := func() *Broker { return nodes[rapid.IntRange(0, 1).Draw(t, "node")] }
	t.Repeat(map[string]func(*rapid.T){
		"send": func(t *rapid.T) {
			p, note := anyone.Draw(t, "by"), rapid.Bool().Draw(t, "note")
			kind := chat.TypeText
			if note {
				kind = chat.TypeNote
			}
			_, err := node().Send(ctx, actors[p], chat.SendRequest{Session: s.ID, Type: kind, Body: []byte(`"x"`)})
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
			_, err := node().Transfer(ctx, actors[p], chat.TransferRequest{Session: s.ID, Agent: actors[to].ID})
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
			_, err := node().Transfer(ctx, actors[p], chat.TransferRequest{Session: s.ID, Queue: map[string]string{"q1": q1, "q2": q2}[to]})
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
		"label": func(t *rapid.T) {
			p := rapid.SampledFrom([]string{"uma", "ann", "bea", "cay", "sue"}).Draw(t, "by")
			words := rapid.Permutation([]string{"vip", "投诉", "a|b"}).Draw(t, "labels")
			before, was := maps.Clone(m.labels), session()
			now, err := node().Label(ctx, actors[p], LabelRequest{Session: s.ID, Add: words[:1], Remove: words[1:2]})
			check("label by "+p, m.label(p, words[0], words[1]), err)
			if !maps.Equal(before, m.labels) {
				was.Rev++
			}
			if err == nil && (now.Rev != was.Rev || now.Seq != was.Seq) {
				t.Fatalf("label: rev %d and seq %d, not %d and %d", now.Rev, now.Seq, was.Rev, was.Seq)
			}
		},
		"end": func(t *rapid.T) {
			if rapid.IntRange(0, 5).Draw(t, "rarely") > 0 {
				return // a session that has ended is soon boring
			}
			p, force := anyone.Draw(t, "by"), rapid.Bool().Draw(t, "force")
			_, err := node().End(ctx, actors[p], chat.EndRequest{Session: s.ID, Force: force})
			check("end by "+p, m.end(p, force), err)
		},
		"rate": func(t *rapid.T) {
			p, score := anyone.Draw(t, "by"), rapid.IntRange(1, 2).Draw(t, "score")
			_, err := node().Rate(ctx, actors[p], RateRequest{Session: s.ID, Score: score})
			check("rate by "+p, m.rate(p, score), err)
		},
		"reopen": func(t *rapid.T) {
			p := anyone.Draw(t, "by")
			_, err := node().Reopen(ctx, actors[p], s.ID)
			check("reopen by "+p, m.reopen(p), err)
		},
		"take over": func(t *rapid.T) {
			_, err := node().TakeOver(ctx, sue, s.ID)
			check("take over", m.takeOver("sue"), err)
		},
		"whisper": func(t *rapid.T) {
			_, err := node().Whisper(ctx, sue, WhisperRequest{Session: s.ID, Text: "x"})
			check("whisper", m.whisper("sue"), err)
		},
		"": func(t *rapid.T) {
			m.sameAs(ctx, t, nodes[0], s.ID, ids)
			for p, a := range actors {
				require.Equal(t, m.reads(p), nodes[0].sessions.Readable(ctx, a, s.ID) == nil, "%s may read", p)
			}
		},
	})
}

// sameAs compares all that is known of the session with the model.
func (m *model) sameAs(ctx context.Context, t *rapid.T, b *Broker, session string, ids map[string]string) {
	st, err := b.sessions.Look(ctx, session)
	require.NoError(t, err)
	short := func(p *chat.Person) string {
		if p == nil {
			return ""
		}
		return ids[p.ID]
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(m.labels)), st.Labels)
	got := fmt.Sprint(st.State, short(st.Agent), short(st.Target), st.Seq, len(st.Assistants))
	want := fmt.Sprint(m.state, m.owner, m.target, len(m.log), len(m.assists))
	require.Equal(t, want, got)
	score := 0
	if st.Rating != nil {
		score = st.Rating.Score
	}
	require.Equal(t, m.rating, score)
	require.Len(t, st.Counts, len(m.mark))
	for w, n := range st.Counts {
		p := ids[chat.IDOf(w)]
		require.EqualValues(t, m.unread(p), n, "unread of %s", p)
		require.EqualValues(t, m.mark[p], st.Marks[w], "mark of %s", p)
	}
	entries, err := b.sessions.ReadLog(ctx, session, 1, st.Seq)
	require.NoError(t, err)
	for i, e := range entries {
		require.Equal(t, m.log[i].recalled, e.Body == "", "recalled %d", i+1)
	}
}
