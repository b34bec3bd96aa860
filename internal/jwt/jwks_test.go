package jwt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// keyServer answers with what is set, and counts.
type keyServer struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func startKeyServer(t *testing.T, answer http.HandlerFunc) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.answer.Store(&answer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
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

// edSet is a set with the issuer's Ed25519 key under an id.
func edSet(t testing.TB, id string) string {
	var all struct{ Keys []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(issuers().set(t)), &all))
	return `{"keys":[` + strings.Replace(string(all.Keys[2]), `"ed"`, `"`+id+`"`, 1) + `]}`
}

func edToken(t testing.TB, kid string) string {
	return issuers().sign(t, "EdDSA", `{"alg":"EdDSA","kid":"`+kid+`"}`, `{"sub":"uma","role":"user","exp":`+at(time.Hour)+`}`, issuers().ed)
}

// marker is a password that must be found nowhere.
const marker = "hunter2MARKER"

var quickPace = jwksPace{refresh: time.Hour, retry: 20 * time.Millisecond, most: 50 * time.Millisecond, lookup: 300 * time.Millisecond}

func startTestJWKS(t *testing.T, url string, pace jwksPace) *Verifier {
	t.Helper()
	j := startJWKS(t.Context(), url, slog.New(slog.DiscardHandler), pace)
	t.Cleanup(j.close)
	return newVerifier(Options{}, j, time.Now)
}

func verdictOf(v *Verifier, token string) chat.Code {
	if _, err := v.Verify(context.Background(), token); err != nil {
		return chat.AsError(err).Code
	}
	return ""
}

// Whatever an answer is, the keys there are stay until better ones come.
func TestJWKSKeepsItsKeys(t *testing.T) {
	keys := startKeyServer(t, says(edSet(t, "a")))
	pace := quickPace
	pace.refresh, pace.lookup = 20*time.Millisecond, time.Millisecond
	v := startTestJWKS(t, keys.URL, pace)
	require.Equal(t, chat.Code(""), verdictOf(v, edToken(t, "a")))
	endless := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[`)
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
				return
			}
		}
	}
	many := strings.TrimSuffix(edSet(t, "b"), "]}") + strings.Repeat(`,{"kty":"x"}`, jwksKeys) + "]}"
	elsewhere := startKeyServer(t, says(edSet(t, "b")))
	for name, answer := range map[string]http.HandlerFunc{
		"500": refuses(500), "404": refuses(404), "204": refuses(204), "garbage": says("<html>"), "nothing": says(""), "an empty set": says(`{"keys":[]}`),
		"no set": says(`{}`), "null": says(`null`), "a list": says(`[]`), "keys of no use": says(`{"keys":[{"kty":"oct","k":"eA","kid":"a"}]}`),
		"half a set": says(edSet(t, "b")[:30]), "an endless answer": endless, "too many keys": says(many),
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a redirect for good": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		before := keys.asked.Load()
		keys.set(answer)
		require.Eventually(t, func() bool { return keys.asked.Load() > before+2 }, 20*time.Second, 5*time.Millisecond, name)
		require.Equal(t, chat.Code(""), verdictOf(v, edToken(t, "a")), name)
		require.Equal(t, chat.CodeUnavailable, verdictOf(v, edToken(t, "b")), "%s: nobody can tell", name)
	}
	require.Zero(t, elsewhere.asked.Load(), "a redirect was followed")
	keys.set(says(edSet(t, "b")))
	require.Eventually(t, func() bool { return verdictOf(v, edToken(t, "b")) == "" }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, chat.CodeUnauthorized, eventually(t, v, edToken(t, "a")), "what is not published any more is no key")
}

// eventually is the first answer that is not "later".
func eventually(t *testing.T, v *Verifier, token string) (c chat.Code) {
	t.Helper()
	require.Eventually(t, func() bool { c = verdictOf(v, token); return c != chat.CodeUnavailable }, 10*time.Second, 10*time.Millisecond)
	return c
}

// A key nobody knows is asked for, but not by each who names it: whoever comes too soon is told to come again.
func TestAnUnknownKeyIsAskedFor(t *testing.T) {
	keys := startKeyServer(t, says(edSet(t, "a")))
	v := startTestJWKS(t, keys.URL, quickPace)
	require.Equal(t, chat.Code(""), verdictOf(v, edToken(t, "a")))
	time.Sleep(quickPace.lookup)  // by the clock, it may be asked for at once then
	keys.set(says(edSet(t, "b"))) // rotated
	require.Equal(t, chat.Code(""), verdictOf(v, edToken(t, "b")), "found at once")

	before, began, refused, later := keys.asked.Load(), time.Now(), 0, 0
	for i := 0; time.Since(began) < 4*quickPace.lookup; i++ {
		_, err := v.Verify(t.Context(), edToken(t, fmt.Sprint("x", i)))
		switch e := chat.AsError(err); e.Code {
		case chat.CodeUnauthorized:
			refused++
		case chat.CodeUnavailable:
			later++
			require.Positive(t, e.RetryMS)
			require.LessOrEqual(t, e.RetryMS, quickPace.lookup.Milliseconds())
		default:
			require.Fail(t, "accepted")
		}
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, keys.asked.Load()-before, int64(5))
	require.Positive(t, refused)
	require.Positive(t, later)
	require.Equal(t, chat.CodeUnauthorized, eventually(t, v, edToken(t, "nobody's")))
	require.Equal(t, chat.Code(""), verdictOf(v, edToken(t, "b")))
}

// Failures are tried again ever more slowly, in seconds, not minutes; no two nodes at the same time.
func TestJWKSPace(t *testing.T) {
	keys := startKeyServer(t, refuses(500))
	startTestJWKS(t, keys.URL, jwksPace{refresh: time.Hour, retry: 40 * time.Millisecond, most: 160 * time.Millisecond, lookup: time.Hour})
	time.Sleep(1500 * time.Millisecond) // in which attempts are counted
	require.Greater(t, keys.asked.Load(), int64(7))
	require.Less(t, keys.asked.Load(), int64(25))
	require.LessOrEqual(t, defaultPace.most, 15*time.Second)
	require.LessOrEqual(t, defaultPace.retry, time.Second)
}

// An issuer that takes a connection and says nothing holds up neither the start nor a token for long.
func TestASilentIssuer(t *testing.T) {
	keys := startKeyServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	v := startTestJWKS(t, keys.URL, quickPace)
	require.Less(t, time.Since(began), time.Second)
	require.Equal(t, chat.CodeUnavailable, verdictOf(v, edToken(t, "a")))
	require.Less(t, time.Since(began), keyPatience+2*time.Second)
	v.keys.close()
	require.Less(t, time.Since(began), keyPatience+3*time.Second, "and none is left of it")
}

// Over plain http keys come from this machine alone, by the form of the name and by the address it has.
func TestWhereKeysMayComeFrom(t *testing.T) {
	for _, good := range []string{"https://id.example/jwks", "https://me:pw@id.example:8443/", "http://localhost:1/x", "http://127.0.0.1/", "http://127.8.9.1:1/", "http://[::1]/"} {
		require.NoError(t, CheckURL(good), good)
	}
	for _, bad := range []string{"", "x", "ftp://id.example", "https://", "https:///x", "http://id.example/", "http://10.0.0.1/", "http://localhost.example/", "http://localhost./",
		"http://sub.localhost/", "http://0.0.0.0/", "http://[::]/", "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://localhost@id.example/", "http://id.example#@localhost/",
		"http://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "file:///etc/passwd", "https://%zz/"} {
		require.Error(t, CheckURL(bad), bad)
	}
	j := &jwks{url: "http://192.0.2.1/", client: jwksClient("http://192.0.2.1/")} // as if a name resolved there; it is refused before anything is sent
	_, err := j.ask(t.Context())
	require.ErrorContains(t, err, "not an address of this machine")
}

// What is logged of a failure names neither user, password nor query.
func TestJWKSErrorsTellNoSecrets(t *testing.T) {
	keys := startKeyServer(t, refuses(500))
	gone := startKeyServer(t, refuses(500))
	gone.Close()
	for _, base := range []string{keys.URL, gone.URL} {
		var out bytes.Buffer
		j := startJWKS(t.Context(), strings.Replace(base, "http://", "http://"+marker+":"+marker+"@", 1)+"/"+marker+"?a="+marker,
			slog.New(slog.NewTextHandler(&out, nil)), quickPace)
		for range 2 { // attempts: of the first one it has told then
			j.mu.Lock()
			over := j.changed
			j.mu.Unlock()
			<-over
		}
		j.close()
		require.Contains(t, out.String(), "--jwks-url")
		require.NotContains(t, out.String(), marker)
	}
}
