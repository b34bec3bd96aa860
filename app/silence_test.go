package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// logbook is all that was logged; many write at once.
type logbook struct {
	mu  sync.Mutex
	all bytes.Buffer // not embedded: what reads into it would pass the lock by
}

func (p *logbook) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

func (p *logbook) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// allLogs gathers what this process logs from here on, as the program itself would at debug
// level: its own log, those of libraries, and whatever goes to standard error.
func allLogs(t *testing.T) *logbook {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stderr, logger, flags := os.Stderr, slog.Default(), log.Flags()
	os.Stderr = write
	out, done := &logbook{}, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, read)
	}()
	t.Cleanup(func() {
		os.Stderr = stderr
		slog.SetDefault(logger)
		log.SetFlags(flags)
		redis.SetLogger(redisLog{logger})
		_ = write.Close()
		<-done
		if t.Failed() {
			t.Log(out.text())
		}
	})
	return out
}

// No text, token, key or name of a person comes into a log, at any level, whatever goes wrong.
func TestLogsKeepSilent(t *testing.T) {
	logs := allLogs(t)
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.Error(w, string(body), http.StatusInternalServerError) // its answer quotes what it was told
	}))
	t.Cleanup(hook.Close)
	const apiKey, hookSecret = "sesame-api-key", "whsec_c2VzYW1lLXdlYmhvb2stc2VjcmV0LXNlc2FtZQ=="
	n := startNode(t, server.Through(proxy.Addr()), func(s *Settings) {
		s.LogLevel, s.LogFormat, s.APIKey = "debug", "json", newSecrets(key, apiKey)
		s.WebhookURL, s.WebhookSecret = NewSecret(hook.URL+"/sesame-hook-path"), newSecrets(hookSecret)
	})
	words := []string{apiKey, key + `"`, hookSecret, "sesame"} // all that must stay unsaid has sesame in it
	q := name("q")
	uma := dial(t, n, client.TokenRequest{Role: "user", ID: name("uma"), Name: "Sesame Person"})
	ann := dial(t, n, client.TokenRequest{Role: "agent", ID: name("ann"), Name: "Sesame Agent", Queues: []string{q}})
	s, err := uma.Open(t.Context(), client.OpenRequest{Queue: q, Subject: "sesame subject", Meta: []byte(`{"a":"sesame meta"}`)})
	require.NoError(t, err)
	_, err = ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	for i := range 3 {
		uma.say(s.ID, fmt.Sprint("sesame text ", i))
		_, err = ann.Send(t.Context(), client.SendRequest{Session: s.ID, Type: "note", Body: "sesame note", Key: fmt.Sprint("sesame-key-", i)})
		require.NoError(t, err)
	}
	words = append(words, refusedLogins(t, n)...)
	badInput(t, n, uma.id, s.ID)
	uploadBadly(t, n, uma.id)
	require.Eventually(t, func() bool {
		return regexp.MustCompile(`"request refused".*"session":"` + s.ID + `"`).MatchString(logs.text())
	}, 5*time.Second, 20*time.Millisecond,
		"the session is named")

	proxy.Cut()
	require.Eventually(t, func() bool { return strings.Contains(logs.text(), "subscriber lost") }, 20*time.Second, 20*time.Millisecond)
	sent := make(chan error, 1)
	go func() {
		_, err := uma.SendText(t.Context(), s.ID, "sesame while it is away")
		sent <- err
	}()
	get(t, http.DefaultClient, n.url(), "/api/v1/sessions?queue=sesame", "sesame-token-meanwhile")
	proxy.Restore()
	require.NoError(t, <-sent)
	require.Eventually(t, func() bool { return strings.Contains(logs.text(), "an event was not taken") }, 20*time.Second, 20*time.Millisecond)
	n.stop()
	require.Eventually(t, func() bool { return strings.Contains(logs.text(), `"msg":"stopped"`) }, 10*time.Second, 10*time.Millisecond)

	all := logs.text()
	for _, said := range []string{`"msg":"serving"`, "subscriber lost", "redis client", `"session":"` + s.ID, "command refused", "request refused", `"msg":"connected","connection":"`, `"msg":"disconnected","connection":"`} {
		require.Contains(t, all, said, "the log tells nothing of it: then this test shows nothing")
	}
	for line := range strings.Lines(all) {
		for _, word := range words {
			require.NotContains(t, strings.ToLower(line), strings.ToLower(word))
		}
	}
}

// refusedLogins tries tokens that are no good, over both edges; it gives them, and one that was.
func refusedLogins(t *testing.T, n *node) []string {
	t.Helper()
	good := token(t, n, client.TokenRequest{Role: "user", ID: name("vic")})
	require.NoError(t, n.api().RevokeToken(t.Context(), good))
	tried := []string{good, "sesame-unknown-token", "eyJhbGciOiJub25lIn0.sesame.sesame", "sesame" + strings.Repeat("x", 9000)}
	for _, tok := range tried {
		_, err := client.Dial(t.Context(), client.Options{URL: n.url(), Token: tok, MaxBackoff: time.Millisecond})
		require.Error(t, err)
		require.NotEqual(t, http.StatusOK, get(t, http.DefaultClient, n.url(), "/api/v1/sessions?q=sesame", tok).status)
	}
	return tried
}

// badInput says what cannot be understood, and panics a command's reader with nothing.
func badInput(t *testing.T, n *node, user, session string) {
	t.Helper()
	ws := dialRaw(t, n, "/websocket?device=sesame-device", token(t, n, client.TokenRequest{Role: "user", ID: user}))
	ws.next("hello")
	for _, line := range []string{`{"id":1,"cmd":"sesame"}`, `{"id":2,"cmd":"send","session":"` + session + `","body":{"sesame":1}}`,
		`{"id":3,"cmd":"send","session":7,"body":"sesame"}`,
		`{"id":4,"cmd":"end","session":"sesame as a session"}`, `{"id":5,"cmd":"sessions","queue":"sesame","cursor":"sesame"}`, `{"id":"sesame","cmd":"ping"}`} {
		require.NoError(t, ws.WriteString(line))
		ws.next(`"error"`)
	}
	for range 5 {
		require.NoError(t, ws.WriteString(`sesame, no object`))
	}
	ws.code(4004)
	for _, body := range []string{`sesame`, `{"as":"sesame"}`, `{"body":"sesame`} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url()+"/api/v1/sessions/"+session+"/messages", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Idempotency-Key", "sesame-key")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
	}
}

// uploadBadly sends a good file, one cut off, and something else.
func uploadBadly(t *testing.T, n *node, user string) {
	t.Helper()
	tok := token(t, n, client.TokenRequest{Role: "user", ID: user})
	var whole bytes.Buffer
	form := multipart.NewWriter(&whole)
	part, err := form.CreateFormFile("file", "sesame.txt")
	require.NoError(t, err)
	_, _ = part.Write([]byte("sesame in a file"))
	require.NoError(t, form.Close())
	for _, c := range []struct {
		body string
		want int
	}{{whole.String(), http.StatusOK}, {whole.String()[:whole.Len()/2], http.StatusBadRequest}, {"sesame", http.StatusBadRequest}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url()+"/api/v1/files", strings.NewReader(c.body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+tok)
		req.Header.Set("Content-Type", form.FormDataContentType())
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, c.want, res.StatusCode)
	}
}
