package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// checkStores starts this version on what was stored.
func checkStores(t *testing.T, rdb *testenv.RedisServer, dir string, said account) {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	hook := newHostApp(t)
	w := &world{t: t, node: startProgram(t, bin, rdb.URL(), dir, hook.URL), said: said, people: map[string]*party{}}

	w.saysTheSame()
	w.greetsTheSame()
	w.firesTimers()
	w.goesOn()
	w.revives()
	w.knowsPeople()
	w.tells(hook)

	caughtUp(t, w.node.base)
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"audit", "--redis-url", rdb.URL(), "--data-dir", dir, "--log-level", "error"}, &out, &errs)
	require.Zero(t, status, out.String()+errs.String())
	require.Contains(t, out.String(), "all promises hold")
}

// saysTheSame: what was asked of the version before is answered as it did.
func (w *world) saysTheSame() {
	w.t.Helper()
	require.Greater(w.t, len(w.said.Answers), 50)
	for _, q := range w.said.Answers {
		before, now := lasting(w.t, q.Path, q.Body), lasting(w.t, q.Path, w.answer(q.Who, q.Path))
		require.Equal(w.t, before, known(now, before), "%s as %q", q.Path, q.Who)
	}
}

// known is an answer with no more fields than the one of the version before: later ones may have added some.
func known(now, before any) any {
	switch before := before.(type) {
	case obj:
		n, ok := now.(obj)
		if !ok {
			return now
		}
		out := obj{}
		for k, b := range before {
			if v, ok := n[k]; ok {
				out[k] = known(v, b)
			}
		}
		return out
	case []any:
		n, ok := now.([]any)
		if !ok || len(n) != len(before) {
			return now
		}
		out := make([]any, len(n))
		for i := range n {
			out[i] = known(n[i], before[i])
		}
		return out
	}
	return now
}

// lasting is an answer without what a killed node changes: who is connected.
func lasting(t testing.TB, path string, body json.RawMessage) (v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(body, &v))
	if path == "/agents" {
		agents := v.(obj)["agents"].([]any)
		slices.SortFunc(agents, func(a, b any) int { return strings.Compare(a.(obj)["id"].(string), b.(obj)["id"].(string)) })
		for _, a := range agents {
			delete(a.(obj), "status")
			if id := a.(obj)["id"]; id == "lee" || id == "tess" || id == "tim" { // to whom something happens now
				delete(a.(obj), "load")
			}
		}
	}
	return v
}

// greetsTheSame: old tokens are good, and what people have not read is what it was.
func (w *world) greetsTheSame() {
	w.t.Helper()
	for id, want := range w.said.Hellos {
		require.Equal(w.t, want.open(), greeting(w.come(id)).open(), id)
	}
}

// open leaves out what a hello tells of sessions that have ended: it does so for an hour,
// and what was filled grows older.
func (h toldHello) open() toldHello {
	sessions := map[string]toldSession{}
	for id, s := range h.Sessions {
		if s.State == "ended" {
			h.Unread -= s.Unread
			continue
		}
		sessions[id] = s
	}
	h.Sessions = sessions
	return h
}

// becomes waits until a session is in a state, and gives it.
func (w *world) becomes(what, state string) (s client.Session) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var err error
		s, err = w.node.api().Session(w.t.Context(), w.said.Sessions[what])
		return err == nil && s.State == state
	}, time.Minute, 50*time.Millisecond, "%s: not %s", what, state)
	return s
}

// firesTimers: what the version before had to do later is done.
func (w *world) firesTimers() {
	w.t.Helper()
	require.Equal(w.t, "abandoned", w.becomes("abandoned", "ended").Reason)
	w.becomes("unconfirmed", "ended")
	require.Equal(w.t, "idle", w.becomes("idle", "ended").Reason)
	require.Equal(w.t, "tess", w.becomes("unanswered", "serving").Agent.ID, "the offer has expired")
	require.Nil(w.t, w.becomes("left", "waiting").Agent, "lee is gone")
	require.Eventually(w.t, func() bool {
		return strings.Contains(string(w.answer("", "/sessions/"+w.said.Sessions["long-wait"]+"/messages")), "It takes long today.")
	}, time.Minute, 50*time.Millisecond)
}

// goesOn: sessions in every state are chatted in, and left for the next.
func (w *world) goesOn() {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	ann, bea, una, uma := w.people["ann"], w.people["bea"], w.people["una"], w.people["uma"]

	s := w.said.Sessions["serving"]
	old := w.said.Keys[s]
	r, err := una.Send(ctx, client.SendRequest{Session: s, Body: old.Text, Key: old.Key})
	require.NoError(t, err)
	require.True(t, r.Duplicate)
	require.Equal(t, old.Seq, r.Seq)
	before, err := w.node.api().Session(ctx, s)
	require.NoError(t, err)
	m := una.say(s, "after the change 之后")
	require.Equal(t, before.Seq+1, m.Seq)
	await(ann, func(e *client.MessageEvent) bool { return e.Mid == m.Mid })
	slip := una.say(s, "a slip")
	require.NoError(t, una.Recall(ctx, s, slip.Seq))
	await(ann, func(e *client.Recalled) bool { return e.Seq == slip.Seq })
	read, err := ann.Read(ctx, s, slip.Seq)
	require.NoError(t, err)
	require.Zero(t, read.Unread)
	ann.say(s, "I see it")
	await(una, func(e *client.MessageEvent) bool { return e.Text() == "I see it" })
	labelled, err := ann.Label(ctx, s, []string{"new"}, []string{"vip"})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"new", "退货"}, labelled.Labels)
	w.must(bea.Leave(ctx, s))
	link, _, err := client.API{BaseURL: w.node.base, Key: w.said.Tokens["una"]}.Link(ctx, w.file(s))
	require.NoError(t, err)
	require.Equal(t, w.said.File, linked(t, w.node.base+link))

	views, err := ann.Watch(ctx)
	require.NoError(t, err)
	require.Len(t, views, 1)
	ids := map[string]bool{}
	for _, v := range views[0].Waiting {
		ids[v.ID] = true
	}
	require.Equal(t, len(ids), views[0].Size)
	for _, what := range []string{"waiting", "back", "moved", "unwanted", "untold"} {
		require.True(t, ids[w.said.Sessions[what]], what)
	}
	grabbed, err := ann.Grab(ctx, w.said.Sessions["waiting"])
	require.NoError(t, err)
	require.Equal(t, "serving", grabbed.State)
	await(uma, func(e *client.SessionChanged) bool { return e.Session.ID == grabbed.ID && e.Session.Agent != nil })

	accepted, err := bea.Accept(ctx, w.said.Sessions["transferring"])
	require.NoError(t, err)
	require.Equal(t, "bea", accepted.Agent.ID)
	ended, err := w.come("ute").End(ctx, w.said.Sessions["ending"], "", false)
	require.NoError(t, err)
	require.Equal(t, "ended", ended.State)
	w.must(bea.End(ctx, w.said.Sessions["handed"], "", true))
	_, err = ann.TakeOver(ctx, w.said.Sessions["serving"])
	code(t, "forbidden", err)
	taken, err := w.come("sue").TakeOver(ctx, w.said.Sessions["serving"])
	require.NoError(t, err)
	require.Equal(t, "sue", taken.Agent.ID)

	otto := w.come("otto")
	w.must(otto.End(ctx, w.said.Sessions["auto"], "", true))
	require.Equal(t, "otto", w.becomes("auto-waiting", "serving").Agent.ID)
}

// file is the address of a session's file.
func (w *world) file(session string) string {
	w.t.Helper()
	var page client.HistoryReply
	require.NoError(w.t, json.Unmarshal(w.answer("una", "/sessions/"+session+"/messages?limit=200"), &page))
	for _, m := range page.Messages {
		if m.Type == "file" {
			var f client.File
			require.NoError(w.t, json.Unmarshal(m.Body, &f))
			return f.URL
		}
	}
	w.t.Fatal("no file")
	return ""
}

// revives: what is over is rated and opened again, also where only the archive has it.
func (w *world) revives() {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	rated, err := w.come("ed").Rate(ctx, w.said.Sessions["ended"], 4, "fine")
	require.NoError(t, err)
	require.Equal(t, 4, rated.Rating.Score)
	gil := w.come("gil")
	if time.Since(w.said.Since) > reopening-time.Hour { // it was filled long ago
		_, err := gil.Reopen(ctx, w.said.Sessions["gone"])
		code(t, "too_late", err)
		return
	}
	for what, p := range map[string]*party{"gone": gil, "ended": w.people["ed"]} {
		opened, err := p.Reopen(ctx, w.said.Sessions[what])
		require.NoError(t, err, what)
		require.Equal(t, "waiting", opened.State)
		p.say(opened.ID, "once more, the kettle")
		got, err := w.people["ann"].Grab(ctx, opened.ID)
		require.NoError(t, err, what)
		require.Equal(t, []string{"over"}, got.Labels)
	}
	require.Eventually(t, func() bool {
		var found struct{ Messages []client.Message }
		require.NoError(t, json.Unmarshal(w.answer("gil", "/search?q=kettle"), &found))
		return len(found.Messages) == 2
	}, 20*time.Second, 100*time.Millisecond, "what is new is found beside what is old")
}

// knowsPeople: who may not come in may not, and who may again, may.
func (w *world) knowsPeople() {
	w.t.Helper()
	ctx, t, api := w.t.Context(), w.t, w.node.api()
	refused := func(want, id string) {
		_, err := client.Dial(ctx, client.Options{URL: w.node.base, Token: w.said.Tokens[id], NoReconnect: true})
		code(t, want, err)
	}
	refused("unauthorized", "rex")
	refused("unauthorized", "dan")
	refused("blocked", "bad")
	require.NoError(t, api.BlockUser(ctx, "gus", "later"))
	require.NoError(t, api.UnblockUser(ctx, "bad"))
	_, err := w.come("bad").Open(ctx, client.OpenRequest{Queue: "hours"})
	require.NoError(t, err)
	var agent struct{ Queues []string }
	require.NoError(t, api.Do(ctx, http.MethodPut, "/agents/dan", obj{"queues": []string{"hours"}, "capacity": 1}, &agent))
	require.Equal(t, []string{"hours"}, agent.Queues)
	w.come("dan")
}

// tells: the host application hears what it has not heard, and what it did not want, if asked to.
func (w *world) tells(hook *hostApp) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return len(hook.types(w.said.Sessions["untold"])) >= 3 }, time.Minute, 50*time.Millisecond)
	hook.await(w.t, w.said.Sessions["untold"], "session.opened", "session.greeting", "message.created")
	unwanted := w.said.Sessions["unwanted"]
	require.Empty(w.t, hook.types(unwanted))
	for _, id := range w.dead(unwanted) {
		require.NoError(w.t, w.node.api().Do(w.t.Context(), http.MethodPost, "/webhooks/dead/"+id+"/replay", nil, nil))
	}
	require.ElementsMatch(w.t, []string{"session.opened", "session.greeting", "message.created"}, hook.types(unwanted))
}
