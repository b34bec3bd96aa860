package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// desk is the HTTP API of a node, every answer held to the description.
type desk struct {
	*node
	t    *testing.T
	web  *http.Client
	host client.API
	q    string
}

func newDesk(t *testing.T) *desk {
	d := &desk{node: startNode(t, testenv.Shared(t, testenv.EngineRedis)), t: t, q: name("q/?#{}")}
	d.web = &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	d.host = d.as(key)
	return d
}

func (d *desk) as(key string) client.API {
	return client.API{BaseURL: d.url(), Key: key, HTTP: d.web}
}

func (d *desk) token(role, id string) client.API {
	return d.as(token(d.t, d.node, client.TokenRequest{Role: role, ID: id, Name: "N " + id, Queues: []string{d.q}}))
}

// do makes a call that must answer so; want "" for one that succeeds.
func (d *desk) do(a client.API, method, path string, in any, want string) obj {
	d.t.Helper()
	out := obj{}
	err := a.Do(d.t.Context(), method, path, in, &out)
	if want == "" {
		require.NoError(d.t, err)
	} else {
		code(d.t, want, err)
	}
	return out
}

// open gives the id of a new session of a user's.
func (d *desk) open(user, subject string) string {
	s, err := d.host.CreateSession(d.t.Context(), client.CreateRequest{User: client.Person{ID: user, Name: "N " + user},
		Queue: d.q, Subject: subject})
	require.NoError(d.t, err)
	return s.ID
}

func TestCannedOverHTTP(t *testing.T) {
	d := newDesk(t)
	annID, esc := name("ann"), url.PathEscape
	ann, bea, sue, uma := d.token("agent", annID), d.token("agent", name("bea")), d.token("supervisor", name("sue")), d.token("user", name("uma"))
	id := name("c/%2F?")
	path := "/canned/" + esc(id)

	set := d.do(ann, "PUT", path, obj{"shortcut": "hi", "title": "Hi", "text": "Hello {{user.name}}\nI am {{agent.name}}."}, "")
	require.Equal(t, []any{id, annID, "", "hi"}, []any{set["id"], set["agent"], set["queue"], set["shortcut"]})
	require.Equal(t, set, d.do(sue, "GET", path, nil, ""))
	require.Contains(t, d.do(ann, "GET", "/canned?limit=200", nil, "")["canned"], set) // others' tests leave some for all
	d.do(bea, "GET", path, nil, "forbidden")
	d.do(bea, "PUT", path, obj{"shortcut": "hi", "text": "x"}, "forbidden")
	d.do(bea, "DELETE", path, nil, "forbidden")
	d.do(uma, "GET", "/canned", nil, "forbidden")
	d.do(uma, "GET", path, nil, "forbidden")
	d.do(uma, "PUT", path, obj{"shortcut": "hi", "text": "x"}, "forbidden")
	d.do(d.as(""), "GET", "/canned", nil, "unauthorized")
	d.do(ann, "GET", "/canned?limit=0", nil, "bad_request")
	d.do(ann, "GET", "/canned/"+esc(name("no")), nil, "not_found")
	for _, bad := range []obj{{}, {"shortcut": "x"}, {"shortcut": "x y", "text": "x"}, {"shortcut": "x", "text": 1}, {"shortcut": "x", "text": ""}} {
		d.do(ann, "PUT", path, bad, "bad_request")
	}
	d.do(ann, "PUT", path, obj{"shortcut": "x", "text": strings.Repeat("x", 16385)}, "too_large")
	err := ann.Do(t.Context(), "PUT", "/canned/"+esc(name("c")), obj{"shortcut": "hi", "text": "x"}, nil)
	require.Equal(t, id, code(t, "taken", err).By)

	ofQueue, err := d.host.PutCanned(t.Context(), client.Canned{ID: name("c"), Queue: d.q, Shortcut: "bye", Text: "Bye {{user.name}}"})
	require.NoError(t, err)
	list, err := ann.Canned(t.Context(), d.q)
	require.NoError(t, err)
	require.Equal(t, []client.Canned{ofQueue}, list)

	t.Log("rendered")
	umaID := name("uma")
	s := d.open(umaID, "")
	d.do(ann, "POST", "/sessions/"+s+"/grab", nil, "")
	want := "Hello N " + umaID + "\nI am N " + annID + "."
	require.Equal(t, want, d.do(ann, "GET", path+"/render?session="+s, nil, "")["text"])
	require.Equal(t, want, d.do(ann, "GET", "/canned/hi/render?session="+s, nil, "")["text"])
	d.do(bea, "GET", "/canned/bye/render?session="+s, nil, "forbidden")
	d.do(ann, "GET", path+"/render?session=nope", nil, "not_found")
	d.do(ann, "GET", path+"/render", nil, "not_found")
	d.do(uma, "GET", path+"/render?session="+s, nil, "forbidden")
	text, err := d.host.RenderCanned(t.Context(), ofQueue.ID, s)
	require.NoError(t, err)
	require.Equal(t, "Bye N "+umaID, text)

	t.Log("over the WebSocket")
	p := dial(t, d.node, client.TokenRequest{Role: "agent", ID: annID, Name: "N " + annID, Queues: []string{d.q}})
	text, err = p.Canned(t.Context(), s, "hi")
	require.NoError(t, err)
	require.Equal(t, want, text)
	_, err = p.Canned(t.Context(), s, "none")
	code(t, "not_found", err)
	_, err = p.Canned(t.Context(), "", "hi")
	code(t, "not_found", err)

	require.NoError(t, ann.DeleteCanned(t.Context(), id))
	code(t, "not_found", ann.DeleteCanned(t.Context(), id))
}
