package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/client"
)

// public are the routes that ask nobody who they are, or ask by themselves.
var public = map[string]bool{
	"GET /websocket": true, "GET /websocket/:sessionId/:connectionId": true, // TestHandshakeRefusals, TestForeignSessions
	"GET /healthz": true, "GET /readyz": true, "GET /metrics": true, "GET /docs": true, "GET /openapi.yaml": true,
}

// call is a route as one who may would ask it.
type call struct {
	action chat.Action
	query  string
	body   any
	// whose is what else one is to what the call names; nil: nothing.
	whose func(p *persona) chat.Relation
	// otherwise is the code for those who may, where it is not of the session's state: what the call names does not exist.
	otherwise string
	ofSession bool
}

type fields = map[string]any

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

// asker is a persona with its token, a host application that names it, or one in its own name (nil persona).
type asker struct {
	*persona
	host bool
}

// body is what one sends: a host application says for whom.
func (a asker) body(c *cast, k call) any {
	if !a.host || k.body == nil {
		return k.body
	}
	body := fields{}
	for f, v := range k.body.(fields) { //nolint:forcetypeassert // all are
		body[f] = v
	}
	switch {
	case a.persona != nil:
		body["agent"] = a.ID
	case k.action == chat.ActOpen:
		body["user"] = fields{"id": c.people["ulf"].ID}
	case k.action == chat.ActSend:
		body["as"] = "system"
	}
	return body
}

func (a asker) is(s *scene) chat.Relation {
	switch {
	case a.persona == nil:
		return chat.Anybody | chat.Host
	case a.host:
		return s.is(a.persona)&^(chat.Supervisor|chat.Watcher) | chat.HostsAgent
	}
	return s.is(a.persona) &^ chat.Watcher // that is a connection's
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
		require.Contains(c, calls, route, "the table has no row for a route")
		require.Contains(c, chat.Rules(), calls[route].action)
		out = append(out, route)
	}
	require.Len(c, out, len(calls), "a call is of no route")
	slices.Sort(out)
	return slices.Compact(out)
}

// Every route for everybody in every relation to a session answers what the table says; a route
// that is not walked fails.
func TestEveryRouteForEverybody(t *testing.T) {
	c := newCast(t)
	calls, cells := c.calls(), 0
	routes := c.routes(calls)
	slices.SortFunc(routes, func(x, y string) int { return strings.Compare(deletesLast(x), deletesLast(y)) })
	askers := []asker{{nil, true}}
	for _, p := range c.people {
		askers = append(askers, asker{p, false})
		if p.Role == chat.RoleAgent {
			askers = append(askers, asker{p, true})
		}
	}
	apart := true // what has to do with no session is asked once
	for _, s := range scenes {
		if s.walkers != "" {
			continue
		}
		s.session, s.spent = "", true
		for _, route := range routes {
			k := calls[route]
			if !k.ofSession && (s.name != "serving" || !apart) {
				continue
			}
			for _, a := range askers {
				if a.host && a.persona != nil && (k.body == nil || !k.ofSession || k.action == chat.ActSend) {
					continue // it can name nobody there
				}
				if s.spent {
					c.set(s)
				}
				is, api := a.is(s), c.n.api()
				if !a.host {
					api = a.api
				}
				if k.whose != nil && a.persona != nil {
					is |= k.whose(a.persona)
				}
				want := s.want(k.action, is)
				if want == "" && k.otherwise != "" {
					want = k.otherwise
				}
				if route == "DELETE /queues/:id" && want == "" {
					require.Empty(t, c.ask(c.n.api(), "PUT /queues/:id", calls["PUT /queues/:id"], s, fields{}))
				}
				got := c.ask(api, route, k, s, a.body(c, k))
				require.Equal(t, want, got, "%s by %s in the scene %s (%s)", route, a.label(), s.name, s.session)
				cells++
				s.spent = s.spent || got == "" && k.ofSession && !slices.Contains(harmless, k.action)
			}
		}
		_, err := c.n.broker.End(t.Context(), bossOf(), chat.EndRequest{Session: s.session})
		require.NoError(t, err)
	}
	t.Logf("%d cells", cells)
}

// deletesLast puts changes of what others need last.
func deletesLast(route string) string {
	if strings.HasPrefix(route, "DELETE") {
		return "z" + route
	}
	return route
}

func (a asker) label() string {
	switch {
	case a.persona == nil:
		return "a host application"
	case a.host:
		return "a host application for " + a.name
	}
	return a.name
}

// A blocked user is told so where it would begin or say something, and is as any user elsewhere;
// a disabled agent is nobody.
func TestTheBlockedAndTheDisabled(t *testing.T) {
	c := newCast(t)
	ctx, b, uma, dan := t.Context(), c.n.broker, c.people["uma"], c.people["dan"]
	calls := c.calls()
	_, err := b.PutUser(ctx, bossOf(), uma.ID, chat.UserSettings{Blocked: true})
	require.NoError(t, err)
	for _, s := range scenes {
		if s.walkers != "" {
			continue
		}
		_, err := b.PutUser(ctx, bossOf(), uma.ID, chat.UserSettings{})
		require.NoError(t, err)
		s.session, s.spent = "", true
		for route, k := range calls {
			if k.otherwise != "" || route == "POST /sessions/:id/end" {
				continue
			}
			if s.spent {
				_, err := b.PutUser(ctx, bossOf(), uma.ID, chat.UserSettings{})
				require.NoError(t, err)
				c.set(s)
				_, err = b.PutUser(ctx, bossOf(), uma.ID, chat.UserSettings{Blocked: true})
				require.NoError(t, err)
			}
			want := s.want(k.action, s.is(uma))
			if rule := chat.Rules()[k.action]; rule.Blocked && want == "" {
				want = "blocked"
			}
			got := c.ask(uma.api, route, k, s, k.body)
			require.Equal(t, want, got, "%s by a blocked user in the scene %s", route, s.name)
			s.spent = got == "" && k.ofSession && !slices.Contains(harmless, k.action)
		}
		_, err = b.End(ctx, bossOf(), chat.EndRequest{Session: s.session})
		require.NoError(t, err)
	}
	_, err = b.PutUser(ctx, bossOf(), uma.ID, chat.UserSettings{})
	require.NoError(t, err)

	s := scenes[1]
	s.session = ""
	c.set(s)
	_, err = b.PutAgent(ctx, bossOf(), dan.ID, chat.AgentSettings{Disabled: true})
	require.NoError(t, err)
	for route, k := range calls {
		require.Equal(t, "unauthorized", c.ask(dan.api, route, k, s, k.body), "%s by a disabled agent", route)
	}
	dan.ws.code(chat.CloseRemoved)
	require.Equal(t, "forbidden", c.ask(c.n.api(), "POST /sessions/:id/grab", call{}, s, fields{"agent": dan.ID}),
		fmt.Sprintf("%s may not be named, either", dan.ID))
}
