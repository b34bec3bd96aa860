package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

type obj = map[string]any

// The HTTP API as a host application and as participants use it; every answer
// is held to the description.
func TestAPI(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	as := func(key string) client.API { return client.API{BaseURL: n.url(), Key: key, HTTP: web} }
	host := as(key)
	q := name("q/?#{}")
	tok := func(role, id string) client.API {
		tk, err := host.IssueToken(ctx, client.TokenRequest{Role: role, ID: id, Name: id, Queues: []string{q}})
		require.NoError(t, err)
		return as(tk.Token)
	}
	uma, ann, bea, boss := tok("user", name("uma")), tok("agent", name("ann")), tok("agent", name("bea")), tok("supervisor", name("sue"))
	do := func(a client.API, method, path string, in any, want string) obj {
		t.Helper()
		out := obj{}
		err := a.Do(ctx, method, path, in, &out)
		if want == "" {
			require.NoError(t, err)
		} else {
			code(t, want, err)
		}
		return out
	}
	esc := url.PathEscape
	t.Log("who may ask")
	do(as("nobody"), "GET", "/sessions", nil, "unauthorized")
	do(as(""), "GET", "/sessions", nil, "unauthorized")
	do(uma, "POST", "/tokens", obj{"role": "user", "id": "x"}, "forbidden")
	do(host, "POST", "/tokens", obj{"role": "king", "id": "x"}, "bad_request")
	do(host, "POST", "/tokens", obj{"role": "user", "id": "x", "ttl": -1}, "bad_request")
	do(host, "POST", "/tokens", obj{"role": "user", "id": strings.Repeat("x", 65)}, "bad_request")
	do(host, "POST", "/tokens", obj{"role": 1}, "bad_request")
	do(host, "POST", "/tokens/revoke", obj{}, "bad_request")

	t.Log("queues")
	set := do(host, "PUT", "/queues/"+esc(q), obj{"name": "Q", "endTimeout": 5}, "")
	require.Equal(t, q, set["id"])
	require.EqualValues(t, 5, set["endTimeout"])
	require.EqualValues(t, 30, set["offerTimeout"])
	do(uma, "PUT", "/queues/"+esc(q), obj{}, "forbidden")
	do(host, "PUT", "/queues/"+esc(q), obj{"routing": "x"}, "bad_request")
	do(host, "PUT", "/queues/"+esc(q), obj{"patience": -1}, "bad_request")
	for _, hours := range []any{1, obj{"timeZone": "Mars/Base"}, obj{"timeZone": "UTC", "weekly": obj{"mon": []string{"9-5"}}},
		obj{"timeZone": "UTC", "weekly": obj{"monday": []string{}}}, obj{"timeZone": "UTC", "exceptions": obj{"today": []string{}}},
		obj{"timeZone": "UTC", "holidays": obj{}}} {
		do(host, "PUT", "/queues/"+esc(q), obj{"hours": hours}, "bad_request")
	}
	hours := obj{"timeZone": "Asia/Shanghai", "weekly": obj{"mon": []any{"09:00-12:00", "13:00-24:00"}}, "exceptions": obj{"2026-12-25": []any{}}}
	other := "/queues/" + esc(name("q"))
	require.Equal(t, hours, do(host, "PUT", other, obj{"hours": hours, "bot": "robbie"}, "")["hours"])
	require.Equal(t, hours, do(host, "GET", other, nil, "")["hours"])
	require.Equal(t, set, do(host, "GET", "/queues/"+esc(q), nil, ""))
	do(ann, "GET", "/queues/"+esc(q), nil, "forbidden")
	require.NotEmpty(t, do(uma, "GET", "/queues", nil, "")["queues"])

	t.Log("sessions")
	do(host, "POST", "/sessions", obj{"queue": q}, "bad_request")
	s := do(uma, "POST", "/sessions", obj{"queue": q, "subject": "help", "meta": obj{"a": 1}}, "")["session"].(obj)
	id := s["id"].(string)
	require.Equal(t, s, do(uma, "POST", "/sessions", obj{"queue": q}, "")["session"])
	do(uma, "POST", "/sessions", obj{"user": obj{"id": "other"}}, "forbidden")
	do(uma, "GET", "/sessions/"+esc("no{such}"), nil, "not_found")
	do(tok("user", name("eve")), "GET", "/sessions/"+id, nil, "forbidden")
	sent := do(uma, "POST", "/sessions/"+id+"/messages", obj{"body": "hi"}, "")
	require.EqualValues(t, 2, sent["seq"])
	do(host, "POST", "/sessions/"+id+"/messages", obj{"body": "hi"}, "bad_request")
	for range 2 {
		r, err := host.SendMessage(ctx, id, client.HostMessage{As: "system", Body: "read this", Key: "once"})
		require.NoError(t, err)
		require.EqualValues(t, 3, r.Seq)
	}
	require.EqualValues(t, 4, do(host, "POST", "/sessions/"+id+"/messages", obj{"as": "bot", "type": "card", "body": obj{"x": 1}}, "")["seq"])
	require.EqualValues(t, 5, do(host, "POST", "/sessions/"+id+"/messages", obj{"as": "user", "body": "as me"}, "")["seq"])

	t.Log("transitions")
	do(uma, "POST", "/sessions/"+id+"/grab", obj{}, "forbidden")
	do(ann, "POST", "/sessions/"+id+"/grab", nil, "")
	do(bea, "POST", "/sessions/"+id+"/grab", nil, "taken")
	do(ann, "POST", "/sessions/"+id+"/transfer", obj{"to": obj{"agent": "nobody"}}, "no_agent")
	do(ann, "POST", "/sessions/"+id+"/transfer", obj{"to": obj{}}, "bad_request")
	beaID := strings.TrimPrefix(do(bea, "GET", "/agents", nil, "")["agents"].([]any)[0].(obj)["id"].(string), "")
	require.NotEmpty(t, beaID)
	do(ann, "POST", "/sessions/"+id+"/transfer", obj{"to": obj{"queue": q}, "note": "later"}, "")
	do(boss, "POST", "/sessions/"+id+"/transfer", obj{"to": obj{"queue": name("q")}}, "")
	do(boss, "POST", "/sessions/"+id+"/transfer", obj{"to": obj{"queue": q}}, "")
	do(bea, "POST", "/sessions/"+id+"/grab", nil, "")
	do(host, "POST", "/sessions/"+id+"/cancel", nil, "wrong_state")
	do(boss, "POST", "/sessions/"+id+"/join", nil, "")
	do(boss, "POST", "/sessions/"+id+"/leave", nil, "")
	do(host, "POST", "/sessions/"+id+"/end", obj{"reason": "enough"}, "")
	ended := do(uma, "GET", "/sessions/"+id, nil, "")["session"].(obj)
	require.Equal(t, "ended", ended["state"])
	require.Equal(t, "enough", ended["reason"])

	t.Log("after the end")
	do(ann, "POST", "/sessions/"+id+"/rate", obj{"score": 5}, "forbidden")
	do(uma, "POST", "/sessions/"+id+"/rate", obj{"score": 6}, "bad_request")
	do(uma, "POST", "/sessions/"+id+"/rate", obj{"score": 4.5}, "bad_request")
	rated := do(uma, "POST", "/sessions/"+id+"/rate", obj{"score": 5, "comment": "很好"}, "")["session"].(obj)
	require.EqualValues(t, 5, rated["rating"].(obj)["score"])
	do(uma, "POST", "/sessions/"+id+"/rate", obj{"score": 1}, "too_late")
	do(ann, "POST", "/sessions/"+id+"/reopen", nil, "forbidden")
	require.Equal(t, "waiting", do(uma, "POST", "/sessions/"+id+"/reopen", nil, "")["session"].(obj)["state"])
	do(ann, "POST", "/sessions/"+id+"/takeover", nil, "forbidden")
	do(ann, "POST", "/sessions/"+id+"/whisper", obj{"text": "psst"}, "forbidden")
	do(boss, "POST", "/sessions/"+id+"/whisper", obj{"text": "psst"}, "wrong_state")
	require.Equal(t, "serving", do(boss, "POST", "/sessions/"+id+"/takeover", nil, "")["session"].(obj)["state"])
	do(boss, "POST", "/sessions/"+id+"/whisper", obj{"text": ""}, "bad_request")
	require.NotZero(t, do(boss, "POST", "/sessions/"+id+"/whisper", obj{"text": "psst"}, "")["seq"])
	do(ann, "POST", "/moves", obj{"from": obj{"queue": q}, "to": obj{"queue": "other"}}, "forbidden")
	for _, bad := range []obj{{}, {"from": obj{"queue": q}}, {"from": obj{"queue": q}, "to": obj{"queue": q}},
		{"from": obj{"queue": q, "agent": "x"}, "to": obj{"queue": "y"}}, {"from": obj{"queue": q}, "to": obj{"agent": "x"}}} {
		do(boss, "POST", "/moves", bad, "bad_request")
	}
	moved := do(boss, "POST", "/moves", obj{"from": obj{"queue": q}, "to": obj{"queue": name("q")}}, "")
	require.EqualValues(t, 0, moved["total"])
	require.Equal(t, "done", do(host, "GET", "/moves/"+moved["id"].(string), nil, "")["state"])
	do(host, "GET", "/moves/x", nil, "not_found")
	do(host, "POST", "/sessions/"+id+"/end", obj{"reason": "enough"}, "")

	t.Log("lists")
	require.Len(t, do(host, "GET", "/sessions?queue="+url.QueryEscape(q), nil, "")["sessions"], 1)
	require.Empty(t, do(host, "GET", "/sessions?state=waiting&queue="+url.QueryEscape(q), nil, "")["sessions"])
	require.Len(t, do(ann, "GET", "/sessions", nil, "")["sessions"], 1)
	do(host, "GET", "/sessions?limit=0", nil, "bad_request")
	do(host, "GET", "/sessions?since=yesterday", nil, "bad_request")
	do(host, "GET", "/sessions?state=x", nil, "bad_request")
	h := do(uma, "GET", "/sessions/"+id+"/messages?after=0&limit=2", nil, "")
	require.Len(t, h["messages"], 2)
	require.Equal(t, true, h["more"])
	do(uma, "GET", "/sessions/"+id+"/messages?after=-1", nil, "bad_request")
	do(host, "DELETE", "/queues/"+esc(q), nil, "")
	do(host, "DELETE", "/queues/"+esc(q), nil, "not_found")
}

// Every page of a long list, once.
func TestListPages(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineCluster))
	q, want := name("q"), map[string]bool{}
	for range 23 {
		s, err := n.api().CreateSession(t.Context(), client.CreateRequest{User: client.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		want[s.ID] = true
	}
	got, cursor := map[string]bool{}, ""
	var last time.Time
	for range 30 {
		var page struct {
			Sessions []client.Session `json:"sessions"`
			Cursor   string           `json:"cursor"`
		}
		require.NoError(t, n.api().Do(t.Context(), "GET", "/sessions?limit=5&queue="+q+"&cursor="+cursor, nil, &page))
		for _, s := range page.Sessions {
			require.False(t, got[s.ID], "twice")
			require.False(t, !last.IsZero() && s.Created.After(last), "newest first")
			got[s.ID], last = true, s.Created
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}

// Errors are problem+json everywhere, and pages are served safely.
func TestProblemsEverywhere(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.Origins = []string{"https://good.example"} })
	get := func(method, path string, body io.Reader, header ...string) answer {
		req, err := http.NewRequestWithContext(t.Context(), method, n.url()+path, body)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return answer{res.StatusCode, res.Header, string(data)}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/nowhere", "", 404}, {"GET", "/", "", 404}, {"POST", "/demo/token", "", 404}, {"DELETE", "/api/v1/sessions", "", 405},
		{"POST", "/api/v1/tokens", "{", 400}, {"POST", "/api/v1/tokens", "[]", 400}, {"POST", "/api/v1/tokens", "{\"id\":\"\xff\"}", 400},
		{"POST", "/api/v1/tokens", `{"id":"` + strings.Repeat("x", 1<<20) + `"}`, 413}, {"GET", "/api/v1/queues/%ff", "", 400},
	} {
		a := get(c.method, c.path, strings.NewReader(c.body))
		require.Equal(t, c.status, a.status, "%s %s %s", c.method, c.path, a.body)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), c.path)
	}
	a := get("OPTIONS", "/api/v1/sessions", nil, "Origin", "https://good.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, "https://good.example", a.header.Get("Access-Control-Allow-Origin"))
	a = get("GET", "/api/v1/queues", nil, "Origin", "https://evil.example")
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	a = get("GET", "/docs", nil)
	require.Equal(t, 200, a.status)
	require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
	a = get("GET", "/openapi.yaml", nil)
	require.Contains(t, a.body, "/api/v1/sessions/{id}/messages")
	require.NotContains(t, a.body, "\nservers:")
	a = get("GET", "/readyz", nil)
	require.Equal(t, 200, a.status, a.body)
}

// answer is an HTTP answer, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// JWTs are accepted by their claims, and revoked with their participant.
func TestJWT(t *testing.T) {
	secret := strings.Repeat("s", 32)
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.JWTSecret = NewSecret(secret) })
	sign := func(change func(jwt.MapClaims), method jwt.SigningMethod, key any) string {
		c := jwt.MapClaims{"sub": "ann-" + t.Name(), "role": "agent", "queues": []string{"x"}, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
		change(c)
		s, err := jwt.NewWithClaims(method, c).SignedString(key)
		require.NoError(t, err)
		return s
	}
	none := func(jwt.MapClaims) {}
	ask := func(token string) error {
		return client.API{BaseURL: n.url(), Key: token}.Do(t.Context(), "GET", "/sessions", nil, nil)
	}
	good := sign(none, jwt.SigningMethodHS256, []byte(secret))
	require.NoError(t, ask(good))
	for what, bad := range map[string]string{
		"another secret": sign(none, jwt.SigningMethodHS256, []byte("x")), "no signature": sign(none, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"another method": sign(none, jwt.SigningMethodHS512, []byte(secret)),
		"expired":        sign(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, jwt.SigningMethodHS256, []byte(secret)),
		"no expiry":      sign(func(c jwt.MapClaims) { delete(c, "exp") }, jwt.SigningMethodHS256, []byte(secret)),
	} {
		t.Log(what)
		code(t, "unauthorized", ask(bad))
	}
	exact := sign(func(c jwt.MapClaims) { c["iat"] = float64(time.Now().UnixMilli()) / 1000 }, jwt.SigningMethodHS256, []byte(secret))
	require.NoError(t, n.api().RevokeParticipant(t.Context(), "agent", "ann-"+t.Name()))
	code(t, "unauthorized", ask(good))
	code(t, "unauthorized", ask(exact))
	require.NoError(t, ask(sign(none, jwt.SigningMethodHS256, []byte(secret))), "a fresh log-in works at once")
	// To the millisecond, where the issuer says so.
	rdb := testenv.Client(t, testenv.Shared(t, testenv.EngineRedis))
	keys, err := rdb.Keys(t.Context(), "*:profile:a:ann-"+t.Name()).Result()
	require.NoError(t, err)
	at, err := rdb.HGet(t.Context(), keys[0], "revoked").Int64()
	require.NoError(t, err)
	for ms, works := range map[int64]bool{at: false, at + 1: true} {
		err := ask(sign(func(c jwt.MapClaims) { c["iat"] = float64(ms) / 1000 }, jwt.SigningMethodHS256, []byte(secret)))
		require.Equal(t, works, err == nil, "%v", err)
	}
}
