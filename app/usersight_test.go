package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/client"
	"bellhop/internal/testenv"
)

// What a user may be shown, of every event and answer: names of fields by where they are. Whatever is
// not here must not reach a user; what PROTOCOL.md adds for users is added here by hand.
var (
	personFields  = "id name avatar"
	sessionFields = "id queue state rev seq mid user.* agent.* assistants.* target.* subject meta priority created grabbed ended endedBy reason rating " +
		"rating.score rating.comment rating.at unread readSeq agent assistants target meta.*"
	messageFields = "session seq mid at from.id from.role from.name type body body.what body.agent.* body.from.* body.to.* body.by body.reason " +
		"body.outcome body.queue body.seq body.seconds body.text key replyTo recalled"
	sightOf = map[string]string{
		"hello":   "connection me.id me.name me.avatar me.role me.expires server heartbeat sessions offers more unread " + below("sessions", sessionFields),
		"session": below("session", sessionFields), "message": messageFields, "recalled": "session seq", "read": "session by seq",
		"typing": "session by text", "unread": "session unread total", "position": "session position wait estimated", "reset": "session",
		"closing": "reason reconnectAfter",
		"answer":  "at seq mid unread readSeq messages more sessions cursor " + below("session", sessionFields) + " " + below("sessions", sessionFields) + " " + below("messages", messageFields),
		"search":  "messages cursor messages.snippet messages.snippet.text messages.snippet.hit " + below("messages", messageFields),
	}
)

func below(prefix, list string) string {
	var out []string
	for _, f := range strings.Fields(list) {
		out = append(out, prefix+"."+f)
	}
	return strings.Join(out, " ")
}

// sight collects what a user was shown.
type sight struct {
	*testing.T
	secrets map[string]string // word → what it is of
	seen    map[string]bool   // the paths, to show that the scenario had them
	all     strings.Builder
}

func (s *sight) secret(what string) string {
	word := strings.ReplaceAll(name("secret"), "-", "x")
	s.secrets[word] = what
	return word
}

// shown holds one text to the list.
func (s *sight) shown(kind, text string) {
	s.Helper()
	s.all.WriteString(text)
	for word, what := range s.secrets {
		require.NotContains(s, text, word, "%s shows %s", kind, what)
	}
	if kind == "" {
		return
	}
	var v any
	require.NoError(s, json.Unmarshal([]byte(text), &v), "%s", text)
	allowed := strings.Fields(sightOf[kind])
	require.NotEmpty(s, allowed, "an event that no user may see: %s", text)
	for _, path := range paths(v, "") {
		s.seen[kind+"."+path] = true
		require.True(s, slices.ContainsFunc(allowed, func(a string) bool { return permits(a, path) }), "%s: %s in %s", kind, path, text)
	}
}

func permits(allowed, path string) bool {
	person, several := strings.CutSuffix(allowed, ".*")
	if !several {
		return allowed == path
	}
	if strings.HasSuffix(person, "meta") {
		return strings.HasPrefix(path, person+".")
	}
	return slices.ContainsFunc(strings.Fields(personFields), func(f string) bool { return path == person+"."+f })
}

// paths are the names of the fields that hold something, without the numbers of lists.
func paths(v any, at string) (out []string) {
	join := func(f string) string { return strings.TrimPrefix(at+"."+f, ".") }
	switch v := v.(type) {
	case map[string]any:
		for f, inner := range v {
			if _, object := inner.(map[string]any); !object {
				out = append(out, join(f))
			}
			out = append(out, paths(inner, join(f))...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, paths(inner, at)...)
		}
	}
	return out
}

// line is one line of the connection.
func (s *sight) line(line string) {
	s.Helper()
	var m map[string]json.RawMessage
	require.NoError(s, json.Unmarshal([]byte(line), &m))
	if ok := m["ok"]; ok != nil {
		s.shown("answer", string(ok))
		return
	}
	require.NotContains(s, m, "error", line)
	var kind string
	require.NoError(s, json.Unmarshal(m["event"], &kind))
	delete(m, "event")
	rest, err := json.Marshal(m)
	require.NoError(s, err)
	s.shown(kind, string(rest))
}

// TestWhatAUserSees plays all that can happen to a session, with a secret in everything that is staff's, and
// holds whatever reaches its user, over the connection and over HTTP, to the list above.
func TestWhatAUserSees(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	b, ctx, q, far := n.broker, t.Context(), name("q"), name("far")
	s := &sight{T: t, secrets: map[string]string{}, seen: map[string]bool{}}
	actor := func(role chat.Role, queues ...string) chat.Actor {
		id := chat.Identity{Role: role, ID: name(string(role)), Name: "N", Avatar: "https://example.com/a.png", Queues: queues}
		_, _, err := b.IssueToken(ctx, id, time.Hour)
		require.NoError(t, err)
		return chat.Actor{Identity: id}
	}
	ann, bea, sue, uma := actor("agent", q, far), agent(t, n, q), actor("supervisor", q), chat.Identity{Role: "user", ID: name("uma"), Name: "Uma"}
	token, _, err := b.IssueToken(ctx, uma, time.Hour)
	require.NoError(t, err)
	ws := dialRaw(t, n, "/websocket", "bellhop.v1", token)
	ids := 0
	// until asks something, and gives how many lines came before its answer.
	until := func(line string) (before int, answer string) {
		t.Helper()
		ids++
		ws.write(fmt.Sprintf(`{"id":%d,%s}`, ids, line))
		for ; ; before++ {
			answer = ws.next("")
			s.line(answer)
			if strings.HasPrefix(answer, fmt.Sprintf(`{"id":%d,`, ids)) {
				return before, answer
			}
		}
	}
	must := func(_ any, err error) { t.Helper(); require.NoError(t, err) }
	say := func(a chat.Actor, kind, text string) int64 {
		t.Helper()
		body, _ := json.Marshal(text)
		r, err := b.Send(ctx, a, chat.SendRequest{Session: s.session(until, q), Type: kind, Body: body})
		require.NoError(t, err)
		return r.Seq
	}
	id := s.session(until, q)
	quietly := func(what string, f func()) {
		t.Helper()
		time.Sleep(200 * time.Millisecond) // what happened before may be on its way, over several channels of which none tells when it is through
		until(`"cmd":"ping"`)
		f()
		time.Sleep(100 * time.Millisecond) // an event that must not come; no other follows it there
		mark := s.all.Len()
		before, _ := until(`"cmd":"ping"`)
		require.Zero(t, before, "the user hears of %s: %s", what, s.all.String()[mark:])
	}
	tag := func(a chat.Actor) func() {
		word := s.secret("a label")
		return func() { must(b.Label(ctx, a, broker.LabelRequest{Session: id, Add: []string{word}})) }
	}
	quietly("a label", tag(bossOf()))
	must(b.Grab(ctx, ann, id))
	quietly("a label", tag(ann))
	quietly("a note", func() { must(nil, b.Recall(ctx, ann, id, say(ann, "note", s.secret("a recalled note")))) })
	quietly("a whisper", func() {
		must(b.Whisper(ctx, sue, broker.WhisperRequest{Session: id, Text: s.secret("a whisper")}))
		say(ann, "note", s.secret("a note"))
	})
	sup := dial(t, n, tokenOf(sue))
	quietly("a watcher", func() { must(sup.Join(ctx, id, true)) })
	must(nil, b.Typing(ctx, ann, id, s.secret("what an agent types")))
	say(ann, "text", "hello there")
	must(bea.Join(ctx, id, false))
	must(bea.Leave(ctx, id))
	for _, decline := range []string{s.secret("why an agent declined"), ""} {
		must(b.Transfer(ctx, ann, chat.TransferRequest{Session: id, Agent: bea.id, Note: s.secret("an offer's note")}))
		must(bea.Decline(ctx, id, decline))
	}
	must(b.Transfer(ctx, ann, chat.TransferRequest{Session: id, Queue: far, Note: s.secret("a transfer's note")}))
	must(b.Grab(ctx, ann, id))
	must(b.TakeOver(ctx, sue, id))
	must(b.Read(ctx, sue, id, 3))
	until(`"cmd":"read","session":"` + id + `","seq":2`)
	until(`"cmd":"send","session":"` + id + `","body":"thanks, hello","key":"k"`)
	_, sent := until(`"cmd":"send","session":"` + id + `","body":"oops"`)
	var seq struct{ OK struct{ Seq int64 } }
	require.NoError(t, json.Unmarshal([]byte(sent), &seq))
	until(fmt.Sprintf(`"cmd":"recall","session":%q,"seq":%d`, id, seq.OK.Seq))
	must(b.End(ctx, sue, chat.EndRequest{Session: id}))
	until(`"cmd":"rate","session":"` + id + `","score":2,"comment":"so so"`)
	quietly("a label", tag(sue))
	for _, cmd := range []string{`"cmd":"history","session":"` + id + `"`, `"cmd":"sessions"`, `"cmd":"end","session":"` + id + `"`} {
		until(cmd)
	}
	again := dialRaw(t, n, "/websocket", "bellhop.v1", token)
	s.line(again.next(`"event":"hello"`))
	until(`"cmd":"reopen","session":"` + id + `"`)
	s.overHTTP(n, token, id)
	for _, path := range []string{"message.body.what", "message.body.to.id", "message.body.agent.name", "session.session.target.id", "session.session.agent.avatar",
		"answer.session.rating.comment", "recalled.seq", "read.by", "typing.by", "unread.total", "hello.sessions.mid", "search.messages.snippet.text", "answer.messages.body"} {
		require.True(t, s.seen[path], "the scenario never showed %s: it proves little", path)
	}
}

func tokenOf(a chat.Actor) client.TokenRequest {
	return client.TokenRequest{Role: string(a.Role), ID: a.ID, Name: a.Name, Queues: a.Queues}
}

// session opens it, or gives it.
func (s *sight) session(ask func(string) (int, string), q string) string {
	s.Helper()
	_, answer := ask(fmt.Sprintf(`"cmd":"open","queue":%q,"subject":"lamp","meta":{"order":7}`, q))
	var r struct {
		OK struct{ Session struct{ ID string } }
	}
	require.NoError(s, json.Unmarshal([]byte(answer), &r))
	return r.OK.Session.ID
}

// overHTTP asks for all a user can read, once it is archived.
func (s *sight) overHTTP(n *node, token, id string) {
	s.Helper()
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, n.url()+"/api/v1"+path, nil)
		require.NoError(s, err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		require.NoError(s, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(s, err)
		return res.StatusCode, string(body)
	}
	for path, kind := range map[string]string{"/sessions": "answer", "/sessions/" + id: "answer", "/sessions/" + id + "/messages": "answer",
		"/sessions/" + id + "/messages?before=9": "answer", "/sessions/" + id + "/transcript": "answer",
		"/sessions/" + id + "/transcript?format=text": "", "/sessions/" + id + "/transcript?format=html": ""} {
		status, body := get(path)
		require.Equal(s, 200, status, path)
		s.shown(kind, body)
	}
	found := func(q string) string {
		status, body := get("/search?q=" + q)
		require.Equal(s, 200, status)
		return body
	}
	require.Eventually(s, func() bool { return strings.Contains(found("thanks"), "thanks") }, 15*time.Second, 100*time.Millisecond)
	s.shown("search", found("hello"))
	for word, what := range s.secrets {
		require.NotContains(s, found(word), word, what)
		require.Contains(s, found(word), `"messages":[]`, what)
	}
	for _, path := range []string{"/agents", "/agents/x", "/users/x", "/canned", "/stats", "/sessions?label=x", "/moves/x", "/webhooks/dead"} {
		status, _ := get(path)
		require.Equal(s, 403, status, path)
	}
}
