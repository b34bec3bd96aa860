package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// keyServer answers with what is set.
type keyServer struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
}

func startKeyServer(t *testing.T, answer http.HandlerFunc) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.answer.Store(&answer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.answer.Load())(w, r) }))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(answer http.HandlerFunc) { s.answer.Store(&answer) }

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func refuses(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// issuerKey signs JWTs, under whatever id it is published.
var issuerKey = sync.OnceValue(func() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// edSet is a set with the issuer's key under an id.
func edSet(t testing.TB, id string) string {
	public, ok := issuerKey().Public().(ed25519.PublicKey)
	require.True(t, ok)
	return fmt.Sprintf(`{"keys":[{"kty":"OKP","kid":%q,"crv":"Ed25519","x":%q}]}`, id, base64.RawURLEncoding.EncodeToString(public))
}

func edToken(t testing.TB, kid string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "uma", "role": "user", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = kid
	text, err := token.SignedString(issuerKey())
	require.NoError(t, err)
	return text
}

// Keys away at start: a good token gets 503 and comes back, over HTTP and WebSocket, and is
// accepted within seconds of the keys' return.
func TestJWKSAwayAtStart(t *testing.T) {
	keys := startKeyServer(t, refuses(http.StatusBadGateway))
	n := startNode(t, "", func(s *Settings) { s.JWKSURL = NewSecret(keys.URL) })
	token := edToken(t, "a")
	ask := func() error {
		return client.API{BaseURL: n.url(), Key: token}.Do(t.Context(), http.MethodGet, "/sessions", nil, nil)
	}
	e := code(t, "unavailable", ask())
	require.True(t, e.Retry)
	require.Equal(t, http.StatusServiceUnavailable, e.Status)
	_, res, err := gws.NewClient(gws.BuiltinEventHandler{}, &gws.ClientOption{Addr: "ws://" + n.Addr() + "/websocket",
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {"bellhop.v1, " + token}}})
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("Retry-After"))
	require.NoError(t, res.Body.Close())
	_, err = client.Dial(t.Context(), client.Options{URL: n.url(), Token: token})
	code(t, "unavailable", err)

	keys.set(says(edSet(t, "a")))
	require.Eventually(t, func() bool { return ask() == nil }, 16*time.Second, 50*time.Millisecond)
	c, err := client.Dial(t.Context(), client.Options{URL: n.url(), Token: token})
	require.NoError(t, err)
	c.Close()
}

// A client that is connected comes back through refusals with 503, and gives up at 401: a
// node that starts again while the keys are away costs nobody the connection.
func TestClientsOutliveKeysThatAreAway(t *testing.T) {
	keys := startKeyServer(t, says(edSet(t, "a")))
	addr, dir := freeAddr(t), t.TempDir()
	start := func() *node {
		return startNode(t, "", func(s *Settings) {
			s.JWKSURL, s.Addr, s.DataDir, s.Drain = NewSecret(keys.URL), addr, dir, 0
		})
	}
	n := start()
	var refused atomic.Int64
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", addr, addr },
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusServiceUnavailable {
				refused.Add(1)
			}
			return nil
		},
	})
	t.Cleanup(front.Close)
	p := &party{t: t, id: "uma", more: make(chan struct{})}
	c, err := client.Dial(t.Context(), client.Options{URL: front.URL, Token: edToken(t, "a"), OnEvent: p.saw, MinBackoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	keys.set(refuses(http.StatusServiceUnavailable))
	n.stop()
	n = start()
	require.Equal(t, http.StatusServiceUnavailable, code(t, "unavailable",
		client.API{BaseURL: n.url(), Key: edToken(t, "a")}.Do(t.Context(), http.MethodGet, "/sessions", nil, nil)).Status)
	require.Eventually(t, func() bool { return refused.Load() >= 3 }, 20*time.Second, 10*time.Millisecond, "the client is refused some times")
	keys.set(says(edSet(t, "a")))
	second := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		hellos := 0
		for _, e := range p.events {
			if _, ok := e.(*client.Hello); ok {
				hellos++
			}
		}
		return hellos == 2
	}
	require.Eventually(t, second, 20*time.Second, 20*time.Millisecond)

	keys.set(says(edSet(t, "another"))) // a 401 ends it
	n.stop()
	start()
	await(p, func(e *client.Disconnected) bool {
		return !e.WillRetry && e.Err != nil && strings.Contains(e.Err.Error(), "not valid")
	})
}

// They can be set by flag, environment and file, and are refused where there is nothing they could hold for.
func TestAudienceAndIssuerSettings(t *testing.T) {
	for _, flag := range []string{"--jwt-audience", "--jwt-issuer"} {
		var out, errs bytes.Buffer
		require.Equal(t, exitSettings, run(t.Context(), []string{flag, "x"}, &out, &errs))
		require.Contains(t, errs.String(), flag)
	}
	t.Setenv("BELLHOP_JWT_AUDIENCE", "bellhop")
	t.Setenv("BELLHOP_JWT_ISSUER", "https://id.example")
	var out, errs bytes.Buffer
	require.Equal(t, exitSettings, run(t.Context(), nil, &out, &errs))
	require.Contains(t, errs.String(), "--jwt-audience")
}

// A node takes JWTs signed with its secret, meant for it and from there where that is set, and no other.
func TestANodeTakesJWTs(t *testing.T) {
	secret := strings.Repeat("s", 32)
	n := startNode(t, "", func(s *Settings) {
		s.JWTSecret, s.JWTAudience, s.JWTIssuer = NewSecret(secret), "bellhop", "https://id.example"
	})
	ask := func(change func(jwt.MapClaims), secret string) error {
		c := jwt.MapClaims{"sub": "ann", "role": "agent", "exp": time.Now().Add(time.Hour).Unix(), "aud": "bellhop", "iss": "https://id.example"}
		change(c)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
		require.NoError(t, err)
		return client.API{BaseURL: n.url(), Key: token}.Do(t.Context(), http.MethodGet, "/sessions", nil, nil)
	}
	require.NoError(t, ask(func(jwt.MapClaims) {}, secret))
	code(t, "unauthorized", ask(func(jwt.MapClaims) {}, "another"))
	for claim, bad := range map[string]any{"aud": "other", "iss": "https://evil.example", "exp": 1, "role": "admin"} {
		code(t, "unauthorized", ask(func(c jwt.MapClaims) { c[claim] = bad }, secret))
	}
}
