package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
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
