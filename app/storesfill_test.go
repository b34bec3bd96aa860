package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// world is a node with people at it, or two.
type world struct {
	t      *testing.T
	node   process
	desk   process // where staff connect, if that is another one
	said   account
	people map[string]*party
}

// join lets somebody in, with a token that is good for ten years.
func (w *world) join(role, id string, queues ...string) *party {
	w.t.Helper()
	r := client.TokenRequest{Role: role, ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Queues: queues, TTL: 10 * 365 * 24 * 3600}
	if id == "otto" {
		r.Capacity = 1
	}
	tok, err := w.node.api().IssueToken(w.t.Context(), r)
	require.NoError(w.t, err)
	w.said.Tokens[id] = tok.Token
	return w.come(id)
}

// come connects somebody by the token it has.
func (w *world) come(id string) *party {
	w.t.Helper()
	p := &party{t: w.t, id: id, more: make(chan struct{})}
	var err error
	at := w.node
	if w.desk.base != "" && strings.Contains(" ann bea dan lee otto sue tess tim ", " "+id+" ") {
		at = w.desk
	}
	p.Client, err = client.Dial(w.t.Context(), client.Options{URL: at.base, Token: w.said.Tokens[id], Device: "d", NoReconnect: true, OnEvent: p.saw})
	require.NoError(w.t, err, id)
	w.t.Cleanup(p.Close)
	w.people[id] = p
	return p
}

// served is a new session of a user, grabbed by an agent.
func (w *world) served(what, user, agent, queue string) string {
	w.t.Helper()
	s := w.opened(what, user, queue)
	_, err := w.people[agent].Grab(w.t.Context(), s)
	require.NoError(w.t, err)
	return s
}

func (w *world) opened(what, user, queue string) string {
	w.t.Helper()
	s, err := w.join("user", user).Open(w.t.Context(), client.OpenRequest{Queue: queue, Subject: "About " + what, Meta: json.RawMessage(`{"order":"A-` + what + `"}`)})
	require.NoError(w.t, err)
	w.said.Sessions[what] = s.ID
	return s.ID
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	require.NoError(w.t, err)
}

// soon is after how many seconds something happens in the queues `timed` and `idle`, and an agent of `left` is gone.
const soon = 8

// reopening is how long what is over may be opened again in the queue `still`: the longest there is.
const reopening = 365 * 24 * time.Hour

// queueSettings are of all kinds.
var queueSettings = map[string]map[string]any{
	// nothing happens here by itself
	"still": {"name": "Still 静", "offerTimeout": 0, "endTimeout": 0, "idleTimeout": 0, "abandonTimeout": 0, "agentGrace": 0, "patience": 0, "sticky": 0,
		"reopenWindow": int(reopening.Seconds()), "priority": 2, "greeting": "Welcome! 欢迎！"},
	"timed": {"name": "Timed", "offerTimeout": soon, "endTimeout": soon, "idleTimeout": 0, "abandonTimeout": soon, "agentGrace": 0, "patience": soon, "sticky": 0,
		"offline": "It takes long today."},
	"idle": {"name": "Idle", "idleTimeout": soon, "abandonTimeout": 0, "agentGrace": 0, "patience": 0},
	"left": {"name": "Left", "agentGrace": soon, "abandonTimeout": 0, "patience": 0},
	"auto": {"name": "Auto", "routing": "auto", "agentGrace": 0, "idleTimeout": 0, "abandonTimeout": 0, "patience": 0, "sticky": 0},
	"hours": {"name": "Hours", "abandonTimeout": 0, "patience": 0, "greeting": "Open", "offline": "Closed", "hours": map[string]any{"timeZone": "Asia/Shanghai",
		"weekly": map[string][]string{"sun": {"03:00-03:01"}}, "exceptions": map[string][]string{"2020-12-25": {}, "2020-12-26": {"09:00-10:00", "12:00-13:30"}}}},
}

// fill makes a version of the program store something of every kind, and tells what it said of it.
// The program is killed in the middle of it all.
func fill(t *testing.T, bin string, rdb *testenv.RedisServer, dir string) account {
	t.Helper()
	hook := newHostApp(t)
	w := newWorld(t, startProgram(t, bin, rdb.URL(), dir, hook.URL))
	w.fill(rdb, hook)
	w.node.kill()
	w.leave()
	return w.said
}

func newWorld(t *testing.T, node process) *world {
	return &world{t: t, node: node, people: map[string]*party{}, said: account{Since: time.Now().Truncate(time.Hour), Tokens: map[string]string{}, Sessions: map[string]string{}, Keys: map[string]sent{}, Hellos: map[string]toldHello{}}}
}

// fill makes its node store something of every kind, and notes what it says of it.
func (w *world) fill(rdb *testenv.RedisServer, hook *hostApp) {
	w.t.Helper()
	t, ctx, api := w.t, w.t.Context(), w.node.api()
	for id, settings := range queueSettings {
		require.NoError(t, api.Do(ctx, http.MethodPut, "/queues/"+id, settings, nil))
	}
	for _, c := range []client.Canned{{ID: "all", Shortcut: "hi", Title: "Hello", Text: "Hello {{user.name}}, this is {{agent.name}}."},
		{ID: "still", Queue: "still", Shortcut: "静", Title: "静", Text: "{{user.name}}您好：{{meta.order}}"}, {ID: "mine", Agent: "ann", Shortcut: "bye", Title: "Bye", Text: "Bye!"}} {
		w.must(api.PutCanned(ctx, c))
	}
	ann, bea := w.join("agent", "ann", "still"), w.join("agent", "bea", "still")
	w.join("supervisor", "sue", "still")
	w.chats(ann, bea)
	w.ends(ann, rdb.Client())
	w.others()
	archived(t, rdb.Client())
	w.letters(hook)
	w.timed()
	w.ask(w.questions()...)
	for _, id := range []string{"ann", "bea", "una", "uma"} {
		w.hello(id)
	}
}

// leave has everybody go.
func (w *world) leave() {
	for _, p := range w.people {
		p.Close()
	}
}

// chats are sessions that go on.
func (w *world) chats(ann, bea *party) {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	w.opened("waiting", "uma", "still")
	w.people["uma"].say(w.said.Sessions["waiting"], "anybody there? 有人吗？")

	s := w.served("serving", "una", "ann", "still")
	una := w.people["una"]
	first := una.say(s, "my order, please 我的订单")
	w.must(una.Read(ctx, s, first.Seq))
	w.said.File = "a kettle"
	f, err := client.API{BaseURL: w.node.base, Key: w.said.Tokens["una"]}.Upload(ctx, "kettle.txt", strings.NewReader(w.said.File))
	require.NoError(t, err)
	f.Thumbnail = ""
	w.must(una.Send(ctx, client.SendRequest{Session: s, Type: "file", Body: f}))
	for _, r := range []client.SendRequest{{Type: "image", Body: obj{"url": "https://x.example/i.png", "name": "i.png", "size": 10, "mime": "image/png", "width": 2, "height": 3}},
		{Type: "voice", Body: obj{"url": "https://x.example/v.ogg", "name": "v.ogg", "size": 10, "mime": "audio/ogg", "duration": 1.5}},
		{Type: "video", Body: obj{"url": "https://x.example/v.mp4", "name": "v.mp4", "size": 10, "mime": "video/mp4", "width": 2, "height": 3, "duration": 2}},
		{Type: "card", Body: obj{"title": "Order", "order": 7, "lines": []any{"a", "茶"}}}, {Type: "note", Body: "a VIP, be quick"}, {Type: "text", Body: "here you are\n👍", ReplyTo: first.Seq}} {
		r.Session = s
		w.must(ann.Send(ctx, r))
	}
	wrong := ann.say(s, "this was wrong hunter2")
	require.NoError(t, ann.Recall(ctx, s, wrong.Seq))
	again := sent{Key: "once", Text: "only once"}
	r, err := una.Send(ctx, client.SendRequest{Session: s, Body: again.Text, Key: again.Key})
	require.NoError(t, err)
	again.Seq = r.Seq
	w.said.Keys[s] = again
	w.must(ann.Label(ctx, s, []string{"vip", "退货"}, nil))
	w.must(w.people["sue"].Join(ctx, s, true))
	w.must(w.people["sue"].Whisper(ctx, s, "offer a voucher", "w"))
	w.must(bea.Join(ctx, s, false))
	bea.say(s, "bea here, too")
	w.must(w.node.api().SendMessage(ctx, s, client.HostMessage{As: "system", Body: "Your order is on its way", Key: "host"}))
	una.say(s, "unread by ann")
	una.say(s, "unread by ann, too")

	s = w.served("transferring", "ulf", "ann", "still")
	w.must(ann.TransferToAgent(ctx, s, "bea", "please take it"))
	s = w.served("ending", "ute", "ann", "still")
	w.must(ann.End(ctx, s, "solved", false))
	s = w.served("handed", "vic", "ann", "still") // has another owner than it had
	w.must(ann.TransferToAgent(ctx, s, "bea", ""))
	w.must(bea.Accept(ctx, s))
	s = w.served("back", "viv", "ann", "still") // waits again
	w.must(ann.TransferToQueue(ctx, s, "still", "not mine"))
}

// ends are sessions that are over: still in Redis, or in the archive alone.
func (w *world) ends(ann *party, rdb *redis.Client) {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	for what, user := range map[string]string{"ended": "ed", "rated": "eve", "gone": "gil", "gone-rated": "gus"} {
		s := w.served(what, user, "ann", "still")
		w.people[user].say(s, "the kettle of "+what)
		ann.say(s, "done, 好的")
		w.must(ann.Label(ctx, s, []string{"over"}, nil))
		w.must(ann.End(ctx, s, "", true))
		if strings.HasSuffix(what, "rated") {
			w.must(w.people[user].Rate(ctx, s, 5, "quick 快"))
		}
	}
	archived(t, rdb)
	// An hour goes by for two of them.
	for _, what := range []string{"gone", "gone-rated"} {
		s := w.said.Sessions[what]
		names, err := rdb.Keys(ctx, "*}:s:"+s).Result()
		require.NoError(t, err)
		require.Len(t, names, 1, "the session's hash")
		tag := strings.TrimSuffix(names[0], "s:"+s)
		require.NoError(t, rdb.HSet(ctx, names[0], "ended", time.Now().Add(-2*time.Hour).UnixMilli()).Err())
		require.NoError(t, rdb.ZAddXX(ctx, tag+"timers", redis.Z{Score: 1, Member: "expire|" + s}).Err())
		require.Eventually(t, func() bool { return rdb.Exists(ctx, names[0]).Val() == 0 }, 20*time.Second, 20*time.Millisecond)
	}
}

// archived waits until Redis holds nothing that the archive lacks.
func archived(t *testing.T, rdb *redis.Client) {
	t.Helper()
	require.Eventually(t, func() bool {
		dirty, err := rdb.Keys(t.Context(), "*}:dirty").Result()
		return err == nil && len(dirty) == 0
	}, 30*time.Second, 20*time.Millisecond)
}

// others are people of whom something is known, and sessions that are given out by themselves.
func (w *world) others() {
	w.t.Helper()
	ctx, t, api := w.t.Context(), w.t, w.node.api()
	w.join("user", "bad")
	require.NoError(t, api.BlockUser(ctx, "bad", "rude"))
	w.join("user", "rex")
	require.NoError(t, api.RevokeParticipant(ctx, "user", "rex"))
	w.join("agent", "dan", "still")
	require.NoError(t, api.Do(ctx, http.MethodPut, "/agents/dan", obj{"queues": []string{"still", "hours"}, "capacity": 3, "disabled": true}, nil))
	w.join("agent", "otto", "auto")
	w.must(w.people["otto"].SetStatus(ctx, "online"))
	auto := w.opened("auto", "abe", "auto")
	await(w.people["otto"], func(e *client.SessionChanged) bool { return e.Session.ID == auto && e.Session.State == "serving" })
	w.opened("auto-waiting", "ada", "auto")
	w.opened("closed", "cal", "hours")
	w.opened("moved", "moe", "moving")
	var move struct{ ID, State string }
	require.NoError(t, api.Do(ctx, http.MethodPost, "/moves", obj{"from": obj{"queue": "moving"}, "to": obj{"queue": "still"}, "note": "all of them"}, &move))
	require.Eventually(t, func() bool {
		require.NoError(t, api.Do(ctx, http.MethodGet, "/moves/"+move.ID, nil, &move))
		return move.State == "done"
	}, 20*time.Second, 20*time.Millisecond)
	w.said.Moved = move.ID
}

// letters are events that the host application did not want, and that it has not taken yet.
func (w *world) letters(hook *hostApp) {
	w.t.Helper()
	hook.answers(http.StatusGone)
	s := w.opened("unwanted", "dot", "still")
	w.people["dot"].say(s, "nobody wants to hear it")
	require.Eventually(w.t, func() bool { return len(w.dead(s)) == 3 }, 20*time.Second, 20*time.Millisecond)
	hook.answers(http.StatusInternalServerError)
	s = w.opened("untold", "ugo", "still")
	w.people["ugo"].say(s, "to be told later")
}

// dead are the ids of a session's events that were given up.
func (w *world) dead(session string) (ids []string) {
	w.t.Helper()
	var page struct {
		Dead []struct{ ID, Session string }
	}
	require.NoError(w.t, w.node.api().Do(w.t.Context(), http.MethodGet, "/webhooks/dead?limit=200", nil, &page))
	for _, d := range page.Dead {
		if d.Session == session {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// timed are sessions to which something happens soon, and later than this version lives.
func (w *world) timed() {
	w.t.Helper()
	ctx := w.t.Context()
	tess := w.join("agent", "tess", "timed", "idle")
	w.join("agent", "tim", "timed")
	w.join("agent", "lee", "left")
	w.served("left", "lou", "lee", "left")
	w.opened("long-wait", "pat", "timed")
	w.served("idle", "ida", "tess", "idle")
	w.must(tess.End(ctx, w.served("unconfirmed", "eli", "tess", "timed"), "", false))
	w.must(tess.TransferToAgent(ctx, w.served("unanswered", "oda", "tess", "timed"), "tim", "now"))
	w.opened("abandoned", "abu", "timed")
	w.people["abu"].Close()
}

// questions are what both versions are asked.
func (w *world) questions() (all []toldAnswer) {
	ask := func(who, path string) { all = append(all, toldAnswer{Who: who, Path: path}) }
	still := []string{"waiting", "serving", "transferring", "ending", "handed", "back", "ended", "rated", "gone", "gone-rated", "unwanted", "untold", "closed", "moved", "auto", "auto-waiting"}
	for _, what := range still {
		for _, path := range []string{"", "/messages?limit=200", "/transcript"} {
			ask("", "/sessions/"+w.said.Sessions[what]+path)
		}
	}
	for who, what := range map[string]string{"una": "serving", "bea": "serving", "ann": "serving", "sue": "serving", "ulf": "transferring", "gil": "gone", "eve": "rated"} {
		ask(who, "/sessions/"+w.said.Sessions[what])
		ask(who, "/sessions/"+w.said.Sessions[what]+"/messages?limit=200")
		ask(who, "/sessions?limit=200&queue=still")
	}
	for _, state := range []string{"waiting", "serving", "transferring", "ending", "ended"} {
		ask("", "/sessions?limit=200&queue=still&state="+state)
	}
	ask("", "/sessions?label=vip")
	ask("", "/sessions?label=over&limit=2")
	ask("", "/sessions?user=gus")
	ask("", "/sessions?agent=bea")
	for _, q := range []string{"kettle", "hunter2", "好的", "voucher", "订单"} {
		ask("", "/search?q="+url.QueryEscape(q))
	}
	ask("una", "/search?q="+url.QueryEscape("订单"))
	ask("ann", "/search?q=kettle&limit=1")
	ask("", "/queues")
	ask("", "/agents")
	ask("", "/canned?limit=200")
	ask("ann", "/canned?limit=200")
	ask("ann", "/canned/still/render?session="+w.said.Sessions["serving"])
	for _, id := range []string{"una", "bad", "gus", "rex"} {
		ask("", "/users/"+id)
	}
	ask("", "/webhooks/dead?limit=200")
	ask("", "/moves/"+w.said.Moved)
	hours := url.Values{"since": {w.said.Since.Format(time.RFC3339)}, "until": {w.said.Since.Add(2 * time.Hour).Format(time.RFC3339)}, "queue": {"still"}}
	ask("", "/stats?"+hours.Encode())
	return all
}

// ask notes the answers.
func (w *world) ask(questions ...toldAnswer) {
	w.t.Helper()
	for _, q := range questions {
		q.Body = w.answer(q.Who, q.Path)
		w.said.Answers = append(w.said.Answers, q)
	}
}

func (w *world) answer(who, path string) (body json.RawMessage) {
	w.t.Helper()
	api := w.node.api()
	if who != "" {
		api.Key = w.said.Tokens[who]
	}
	require.NoError(w.t, api.Do(w.t.Context(), http.MethodGet, path, nil, &body), "%s as %q", path, who)
	return body
}

// hello notes what somebody is greeted with.
func (w *world) hello(id string) {
	w.t.Helper()
	w.people[id].Close()
	w.said.Hellos[id] = greeting(w.come(id))
}

func greeting(p *party) toldHello {
	e := await(p, func(*client.Hello) bool { return true })
	h := toldHello{Unread: e.Unread, Sessions: map[string]toldSession{}}
	for _, s := range e.Sessions {
		h.Sessions[s.ID] = toldSession{s.State, s.Seq, s.Unread, s.Mid}
	}
	for _, s := range e.Offers {
		h.Offers = append(h.Offers, s.ID)
	}
	slices.Sort(h.Offers)
	return h
}
