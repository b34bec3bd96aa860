package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// bureau is a node's HTTP API, each answer held to its description.
type bureau struct {
	t   *testing.T
	n   *node
	web *http.Client
}

func newBureau(t *testing.T) *bureau {
	return &bureau{t, startNode(t, testenv.Shared(t, testenv.EngineRedis)),
		&http.Client{Transport: openapitest.Transport(t, handlers.Description())}}
}

func (b *bureau) api(key string) client.API {
	return client.API{BaseURL: b.n.url(), Key: key, HTTP: b.web}
}

func (b *bureau) as(role, id string, queues ...string) client.API {
	b.t.Helper()
	return b.api(token(b.t, b.n, client.TokenRequest{Role: role, ID: id, Name: "Name of " + role, Queues: queues}))
}

// do makes a call; want is the code of the error that it must answer with.
func (b *bureau) do(a client.API, method, path string, in any, want string) obj {
	b.t.Helper()
	out := obj{}
	err := a.Do(b.t.Context(), method, path, in, &out)
	if want == "" {
		require.NoError(b.t, err)
	} else {
		code(b.t, want, err)
	}
	return out
}

// Labels, blocking and the user's card over HTTP.
func TestPeopleAPI(t *testing.T) {
	b, do := newBureau(t), (*bureau).do
	host, q, id := b.api(key), name("q"), name("u/?#{}")
	uma, ann, sue := b.as("user", id), b.as("agent", name("ann"), q), b.as("supervisor", name("sue"))
	s := "/sessions/" + do(b, uma, "POST", "/sessions", obj{"queue": q}, "")["session"].(obj)["id"].(string)
	user := "/users/" + url.PathEscape(id)

	t.Log("labels")
	do(b, ann, "POST", s+"/label", obj{"add": []string{"vip"}}, "forbidden")
	do(b, ann, "POST", s+"/grab", nil, "")
	labelled := do(b, ann, "POST", s+"/label", obj{"add": []string{"vip", "投诉"}}, "")["session"].(obj)
	require.Equal(t, []any{"vip", "投诉"}, labelled["labels"])
	do(b, uma, "POST", s+"/label", obj{"add": []string{"x"}}, "forbidden")
	for _, bad := range []obj{{}, {"add": "vip"}, {"add": []string{""}}, {"add": []any{1}}, {"add": []string{"a"}, "remove": []string{"a"}}} {
		do(b, ann, "POST", s+"/label", bad, "bad_request")
	}
	do(b, ann, "POST", s+"/label", obj{"add": make([]string, 21)}, "too_large")
	do(b, host, "POST", s+"/label", obj{"agent": name("nobody"), "add": []string{"x"}}, "not_found")
	require.Equal(t, []any{"vip"}, do(b, host, "POST", s+"/label", obj{"remove": []string{"投诉"}}, "")["session"].(obj)["labels"])
	require.Equal(t, []any{"vip"}, do(b, sue, "GET", s, nil, "")["session"].(obj)["labels"])
	require.NotContains(t, do(b, uma, "GET", s, nil, "")["session"], "labels")
	list := "/sessions?queue=" + q + "&label="
	require.Len(t, do(b, ann, "GET", list+"vip", nil, "")["sessions"], 1)
	require.Empty(t, do(b, host, "GET", list+"other", nil, "")["sessions"])
	do(b, uma, "GET", list+"vip", nil, "forbidden")
	do(b, host, "GET", list+strings.Repeat("x", 65), nil, "too_large")

	t.Log("users")
	card := do(b, ann, "GET", user, nil, "")
	require.Equal(t, id, card["id"])
	require.NotContains(t, card, "reason")
	require.Len(t, card["sessions"], 1)
	require.Equal(t, []any{"vip"}, card["sessions"].([]any)[0].(obj)["labels"])
	do(b, uma, "GET", user, nil, "forbidden")
	do(b, b.as("agent", name("bea"), q), "GET", user, nil, "forbidden")
	do(b, host, "GET", "/users/"+name("nobody"), nil, "not_found")
	do(b, ann, "PUT", user, obj{"blocked": true}, "forbidden")
	do(b, uma, "PUT", user, obj{"blocked": false}, "forbidden")
	for _, bad := range []obj{{}, {"block": true}, {"blocked": "yes"}, {"blocked": true, "reason": "\x00"}} {
		do(b, sue, "PUT", user, bad, "bad_request")
	}
	blocked := do(b, sue, "PUT", user, obj{"blocked": true, "reason": "rude"}, "")
	require.Equal(t, obj{"id": id, "name": "", "avatar": "", "blocked": true, "reason": "rude"}, blocked)
	card = do(b, host, "GET", user, nil, "")
	require.Equal(t, true, card["blocked"])
	require.Equal(t, "rude", card["reason"])
	require.Equal(t, "Name of user", card["name"])
	do(b, uma, "POST", s+"/messages", obj{"body": "x"}, "blocked")
	do(b, host, "POST", s+"/messages", obj{"body": "x", "as": "user"}, "blocked")
	do(b, uma, "POST", "/sessions", obj{"queue": q}, "blocked")
	do(b, host, "POST", "/sessions", obj{"queue": q, "user": obj{"id": id}}, "blocked")
	do(b, ann, "POST", s+"/messages", obj{"body": "x"}, "")
	do(b, host, "PUT", user, obj{"blocked": false}, "")
	do(b, uma, "POST", s+"/messages", obj{"body": "x"}, "")
}

// A user blocked through one node leaves another with 4005, and does not come back.
func TestBlockedConnections(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineCluster)
	a, b := startNode(t, url), startNode(t, url)
	uma := user(t, a)
	uma.open(name("q"))
	began := time.Now()
	require.NoError(t, b.api().BlockUser(t.Context(), uma.id, "rude"))
	gone := await(uma, func(e *client.Disconnected) bool { return e.Code != 0 })
	require.EqualValues(t, 4005, gone.Code)
	require.False(t, gone.WillRetry)
	require.Less(t, time.Since(began), 2*time.Second)
	_, err := client.Dial(t.Context(), client.Options{URL: a.url(), Token: token(t, b, client.TokenRequest{Role: "user", ID: uma.id})})
	require.Equal(t, 403, code(t, "blocked", err).Status)
}
