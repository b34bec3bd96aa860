package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

// persona is somebody who asks for everything, over a connection of its own and over HTTP.
type persona struct {
	chat.Actor // as the scenes' set-up uses it
	name       string
	token      string
	ws         *raw // nil where there can be none
	api        client.API
	wrote      map[string]int64 // seq of its message, by scene
}

// ask gives the code of a command's answer; "" for ok.
func (p *persona) ask(c *cast, line string) string {
	c.Helper()
	c.ids++
	id := c.ids
	answer := p.ws.ask(id, line)
	return codeOf(c, []byte(answer))
}

// typing is answered only where it is refused: what comes before the ping's answer is the refusal.
func (p *persona) typing(c *cast, session string) string {
	c.Helper()
	c.ids += 2
	p.ws.write(fmt.Sprintf(`{"id":%d,"cmd":"typing","session":%q}`+"\n"+`{"id":%d,"cmd":"ping"}`, c.ids-1, session, c.ids))
	for {
		line := p.ws.next(`{"id":`)
		if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, c.ids-1)) {
			p.ws.next(fmt.Sprintf(`{"id":%d,`, c.ids))
			return codeOf(c, []byte(line))
		}
		if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, c.ids)) {
			return ""
		}
	}
}

// calls are all routes of the API.
func (c *cast) calls() map[string]call {
	put := func(action chat.Action, body any) call { return call{action: action, body: body} }
	missing := func(action chat.Action) call { return call{action: action, otherwise: "not_found"} }
	out := map[string]call{
		"POST /tokens":                   {action: chat.ActTokens, otherwise: "bad_request"},
		"POST /tokens/revoke":            {action: chat.ActTokens, otherwise: "bad_request"},
		"GET /sessions":                  {action: chat.ActSessions, query: "limit=1"},
		"GET /search":                    {action: chat.ActSearch, query: "q=word&limit=1"},
		"POST /files":                    {action: chat.ActFiles, otherwise: "bad_request"},
		"GET /files/:id":                 missing(chat.ActFiles),
		"GET /files/:id/thumbnail":       missing(chat.ActFiles),
		"GET /files/:id/link":            missing(chat.ActFiles),
		"GET /stats":                     {action: chat.ActStats},
		"POST /moves":                    put(chat.ActMoves, fields{"from": fields{"queue": c.nobody + "x"}, "to": fields{"queue": c.far}}),
		"GET /moves/:id":                 missing(chat.ActMoves),
		"GET /queues":                    {action: chat.ActQueues},
		"GET /queues/:id":                {action: chat.ActQueue},
		"PUT /queues/:id":                put(chat.ActQueue, fields{"sticky": 0}),
		"DELETE /queues/:id":             {action: chat.ActQueue}, // the one that was put
		"GET /canned":                    {action: chat.ActCanned, query: "limit=1"},
		"GET /canned/:id":                missing(chat.ActCanned),
		"PUT /canned/:id":                {action: chat.ActCanned, otherwise: "bad_request"},
		"DELETE /canned/:id":             missing(chat.ActCanned),
		"GET /agents":                    {action: chat.ActAgents},
		"GET /agents/:id":                {action: chat.ActAgent, whose: c.myself},
		"PUT /agents/:id":                put(chat.ActSetAgent, fields{"capacity": 1000}),
		"GET /users/:id":                 {action: chat.ActUser, whose: c.acquainted},
		"PUT /users/:id":                 put(chat.ActSetUser, fields{"blocked": false}),
		"GET /webhooks/dead":             {action: chat.ActDeadLetter},
		"POST /webhooks/dead/:id/replay": {action: chat.ActDeadLetter, otherwise: "wrong_state"}, // there is no webhook
		"DELETE /webhooks/dead/:id":      missing(chat.ActDeadLetter),
		"POST /sessions":                 {action: chat.ActOpen, body: fields{"queue": c.far}},
	}
	for path, action := range map[string]chat.Action{"": chat.ActHistory, "/messages": chat.ActHistory, "/transcript": chat.ActHistory} {
		out["GET /sessions/:id"+path] = call{action: action, ofSession: true}
	}
	out["POST /sessions/:id/messages"] = call{action: chat.ActSend, body: fields{"body": "x"}, ofSession: true}
	out["GET /canned/:id/render"] = call{action: chat.ActRender, ofSession: true}
	bodies := map[string]fields{"transfer": {"to": fields{"queue": c.far}}, "rate": {"score": 5}, "whisper": {"text": "x"}, "label": {"add": []string{"x"}}}
	for _, cmd := range []string{"grab", "transfer", "accept", "decline", "cancel", "end", "join", "leave", "reopen", "rate", "takeover", "whisper", "label"} {
		body := bodies[cmd]
		if body == nil {
			body = fields{}
		}
		out["POST /sessions/:id/"+cmd] = call{action: chat.Action(cmd), body: body, ofSession: true}
	}
	return out
}

// GET /agents/:id asks for dan, GET /users/:id for vic, whom only dan knows.
func (c *cast) myself(p *persona) chat.Relation {
	if p.name == "dan" {
		return chat.Myself
	}
	return 0
}

func (c *cast) acquainted(p *persona) chat.Relation {
	if p.name == "dan" {
		return chat.Acquainted
	}
	return 0
}

// ask makes a call and gives its error's code.
func (c *cast) ask(api client.API, route string, k call, s *scene, body any) string {
	c.Helper()
	method, path, _ := strings.Cut(route, " ")
	id := map[string]string{"/sessions": s.session, "/agents": c.people["dan"].ID, "/users": c.vic, "/queues": c.far,
		"/canned": name("none"), "/files": "none", "/webhooks": "none", "/moves": "none"}["/"+strings.Split(path, "/")[1]]
	query := k.query
	if k.action == chat.ActRender {
		id, query = c.canned, "session="+url.QueryEscape(s.session)
	}
	path = strings.Replace(path, ":id", url.PathEscape(id), 1)
	if query != "" {
		path += "?" + query
	}
	var out any
	return c.codeOf(api.Do(c.Context(), method, path, body, &out), route)
}

func (c *cast) codeOf(err error, route string) string {
	c.Helper()
	if err == nil {
		return ""
	}
	var e *client.Error
	require.ErrorAs(c, err, &e, route)
	return e.Code
}

// routes are those of the node, without the public ones. One that has no call fails.
func (c *cast) routes(calls map[string]call) []string {
	c.Helper()
	var out []string
	for _, r := range c.n.edge.Routes() {
		route := r.Method + " " + r.Path
		path, api := strings.CutPrefix(r.Path, "/api/v1")
		if !api {
			// Pages and what they are made of hold nothing of anybody's.
			if !public[route] && r.Method != http.MethodGet && r.Method != http.MethodHead {
				c.Fatalf("a route outside of the API that is not known to be public: %s", route)
			}
			continue
		}
		if r.Method == http.MethodHead {
			continue
		}
		route = r.Method + " " + path
		require.Contains(c, calls, route, "calls() in this file has no call for a route")
		require.Contains(c, chat.Rules(), calls[route].action)
		out = append(out, route)
	}
	require.Len(c, out, len(calls), "a call is of no route")
	slices.Sort(out)
	return slices.Compact(out)
}

// cast are all personas, and where they meet.
type cast struct {
	*testing.T
	n              *node
	q, far, nobody string // queues: theirs, another, and one of no agent's
	canned         string
	vic            string // a user whom dan alone has served
	people         map[string]*persona
	ids            int
}

// set makes a scene's session.
func (c *cast) set(s *scene) {
	c.Helper()
	b, ctx, p := c.n.broker, c.Context(), c.people
	must := func(_ any, err error) { c.Helper(); require.NoError(c, err, s.name) }
	say := func(who, kind string) {
		c.Helper()
		r, err := b.Send(ctx, p[who].Actor, chat.SendRequest{Session: s.session, Type: kind, Body: json.RawMessage(`"hm"`)})
		require.NoError(c, err)
		p[who].wrote[s.name] = r.Seq
	}
	offer := func(by, to string) {
		c.Helper()
		must(b.Transfer(ctx, p[by].Actor, chat.TransferRequest{Session: s.session, Agent: p[to].ID}))
	}
	if s.session != "" { // a user has one in a queue
		must(b.End(ctx, bossOf(), chat.EndRequest{Session: s.session}))
	}
	s.spent = false
	open, err := b.Open(ctx, chat.Actor{Host: true}, chat.OpenRequest{User: p["uma"].Person(), Queue: c.q})
	require.NoError(c, err)
	s.session = open.ID
	say("uma", "text")
	if s.name == "waiting" {
		return
	}
	must(b.Grab(ctx, p["ann"].Actor, s.session))
	say("ann", "text")
	for _, joins := range []string{"cay", "eli"} {
		must(b.Join(ctx, p[joins].Actor, s.session, false))
		say(joins, "note")
	}
	must(b.Leave(ctx, p["cay"].Actor, s.session))
	offer("ann", "bea")
	must(b.Decline(ctx, p["bea"].Actor, s.session, "not mine"))
	for _, whispers := range []string{"wes", "xer"} { // xer was a supervisor then
		sup := p[whispers].Actor
		sup.Role = chat.RoleSupervisor
		r, err := b.Whisper(ctx, sup, broker.WhisperRequest{Session: s.session, Text: "psst"})
		require.NoError(c, err)
		p[whispers].wrote[s.name] = r.Seq
	}
	offer("ann", "dan")
	must(b.Accept(ctx, p["dan"].Actor, s.session))
	say("dan", "text")
	switch {
	case s.name == "expired":
		c.expire(s, offer)
	case s.last == "fay":
		offer("dan", "fay")
		must(b.Cancel(ctx, p["dan"].Actor, s.session))
	default:
		offer("dan", "gil")
		must(b.Decline(ctx, p["gil"].Actor, s.session, ""))
	}
	p["wat"].ask(c, fmt.Sprintf(`"cmd":"join","session":%q,"silent":true`, s.session))
	switch s.name {
	case "offered":
		offer("dan", "tom")
	case "moved":
		must(b.Transfer(ctx, p["sue"].Actor, chat.TransferRequest{Session: s.session, Queue: c.nobody}))
	case "ended":
		must(b.End(ctx, p["uma"].Actor, chat.EndRequest{Session: s.session}))
	}
}

func (c *cast) expire(s *scene, offer func(by, to string)) {
	c.Helper()
	q := chat.DefaultQueue(c.q)
	q.OfferTimeout, q.Sticky = 1, 0
	_, err := c.n.broker.PutQueue(c.Context(), bossOf(), q)
	require.NoError(c, err)
	offer("dan", "fay")
	q.OfferTimeout = 30
	_, err = c.n.broker.PutQueue(c.Context(), bossOf(), q)
	require.NoError(c, err)
	require.Eventually(c, func() bool {
		got, err := c.n.broker.Session(c.Context(), bossOf(), s.session)
		return err == nil && got.Target == nil
	}, 10*time.Second, 20*time.Millisecond)
}

// line is a command's, as one who may would send it.
func (c *cast) line(action chat.Action, p *persona, s *scene) string {
	fields := map[chat.Action]string{chat.ActOpen: fmt.Sprintf(`"queue":%q`, c.far), chat.ActSend: `"body":"x"`, chat.ActRead: `"seq":1`,
		chat.ActHistory: `"limit":1`, chat.ActTransfer: fmt.Sprintf(`"to":{"queue":%q}`, c.far), chat.ActSilent: `"silent":true`,
		chat.ActRate: `"score":5`, chat.ActLabel: `"add":["x"]`, chat.ActWhisper: `"text":"x"`, chat.ActRender: fmt.Sprintf(`"canned":%q`, c.canned),
		chat.ActStatus: `"status":"online"`, chat.ActRecall: fmt.Sprintf(`"seq":%d`, c.recalls(p, s)),
		chat.ActAccept: `"n":0`, chat.ActPing: `"n":0`, chat.ActWatch: `"n":0`, chat.ActSessions: `"limit":1`}[action]
	cmd, _, _ := strings.Cut(string(action), " ")
	line := fmt.Sprintf(`"cmd":%q,"session":%q`, cmd, s.session)
	if fields != "" {
		line += "," + fields
	}
	return line
}

// recalls is which message one asks to recall: one's own, else the user's.
func (c *cast) recalls(p *persona, s *scene) int64 {
	if seq := p.wrote[s.name]; seq > 0 {
		return seq
	}
	return c.people["uma"].wrote[s.name]
}

func newCast(t *testing.T) *cast {
	c := &cast{T: t, n: startNode(t, testenv.Shared(t, testenv.EngineRedis)), q: name("q"), far: name("far"), nobody: name("nobody"),
		canned: name("canned"), vic: name("vic"), people: map[string]*persona{}}
	ctx := t.Context()
	for _, q := range []string{c.q, c.nobody} {
		s := chat.DefaultQueue(q)
		s.Sticky = 0
		_, err := c.n.broker.PutQueue(ctx, bossOf(), s)
		require.NoError(t, err)
	}
	_, err := c.n.broker.PutCanned(ctx, bossOf(), chat.Canned{ID: c.canned, Shortcut: name("hi"), Title: "t", Text: "hello"})
	require.NoError(t, err)
	for p, role := range map[string]chat.Role{"uma": "user", "ulf": "user", "dan": "agent", "eli": "agent", "ann": "agent", "cay": "agent",
		"bea": "agent", "gil": "agent", "fay": "agent", "tom": "agent", "quin": "agent", "bot": "bot", "sam": "agent", "sue": "supervisor",
		"wes": "supervisor", "wat": "supervisor", "xer": "agent"} {
		queues := []string{c.q}
		if p == "sam" || p == "xer" || role == "supervisor" {
			queues = []string{c.far}
		}
		c.add(p, role, queues)
	}
	served, err := c.n.broker.Open(ctx, bossOf(), chat.OpenRequest{User: chat.Person{ID: c.vic}, Queue: c.q})
	require.NoError(t, err)
	_, err = c.n.broker.Grab(ctx, c.people["dan"].Actor, served.ID)
	require.NoError(t, err)
	return c
}

func (c *cast) add(p string, role chat.Role, queues []string) *persona {
	id := chat.Identity{Role: role, ID: name(p), Name: p}
	if role.Staff() {
		id.Queues, id.Capacity = queues, 1000
	}
	token, _, err := c.n.broker.IssueToken(c.Context(), id, time.Hour)
	require.NoError(c, err)
	who := &persona{Actor: chat.Actor{Identity: id}, name: p, token: token, wrote: map[string]int64{},
		api: client.API{BaseURL: c.n.url(), Key: token}}
	who.ws = dialRaw(c.T, c.n, "/websocket", "bellhop.v1", token)
	who.ws.next(`"event":"hello"`)
	c.people[p] = who
	return who
}

// role gives what one is by one's role alone.
func (p *persona) role() chat.Relation {
	switch {
	case p.Role == chat.RoleUser:
		return chat.Anybody | chat.AnyUser
	case p.Role == chat.RoleSupervisor:
		return chat.Anybody | chat.AnyStaff | chat.Supervisor
	}
	return chat.Anybody | chat.AnyStaff
}
