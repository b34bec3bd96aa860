package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_b2xkIHNlY3JldHMgYXJlIHJvdGF0ZWQgb3V0"
)

// hostApp is a host application that takes webhooks.
type hostApp struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	came   []obj // with its id
	more   chan struct{}
}

func newHostApp(t testing.TB) *hostApp {
	t.Helper()
	h := &hostApp{status: http.StatusNoContent, more: make(chan struct{}, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off
		}
		for _, secret := range []string{oldSecret, newSecret} {
			if wh, err := standardwebhooks.NewWebhook(secret); err != nil || wh.Verify(body, r.Header) != nil {
				t.Errorf("not signed with %s", secret)
			}
		}
		e := obj{}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		e["id"] = r.Header.Get("webhook-id")
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.status < 300 {
			h.came = append(h.came, e)
		}
		w.WriteHeader(h.status)
		h.more <- struct{}{}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hostApp) answers(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// types are those of a session's events so far.
func (h *hostApp) types(session string) (types []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.came {
		if e["data"].(obj)["session"].(obj)["id"] == session {
			types = append(types, e["type"].(string))
		}
	}
	return types
}

func (h *hostApp) await(t testing.TB, session string, want ...string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		got := h.types(session)
		if len(got) >= len(want) {
			require.Equal(t, want, got)
			return
		}
		select {
		case <-h.more:
		case <-deadline:
			require.Equal(t, want, got)
		}
	}
}

func (h *hostApp) settings(s *Settings) {
	s.WebhookURL, s.WebhookSecret = NewSecret(h.URL+"/hooks?from=bellhop"), newSecrets(newSecret, oldSecret)
}

// Two nodes with the settings: what happens is delivered once, signed with both
// secrets; what the application never wants is among the dead letters, which the
// API shows, replays and removes.
func TestWebhooks(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineRedis, testenv.EngineCluster} {
		t.Run(string(e), func(t *testing.T) {
			url, h := testenv.Shared(t, e), newHostApp(t)
			n, other := startNode(t, url, h.settings), startNode(t, url, h.settings)
			web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
			host := client.API{BaseURL: n.url(), Key: key, HTTP: web}
			q := name("q")
			uma, ann := user(t, n), agent(t, other, q)
			s := uma.open(q)
			_, err := ann.Grab(t.Context(), s.ID)
			require.NoError(t, err)
			uma.say(s.ID, "hello")
			ann.say(s.ID, "how can I help?")
			h.await(t, s.ID, "session.opened", "session.grabbed", "message.created", "message.created")
			uma.Close()
			require.Eventually(t, func() bool { // that it is gone is known in a moment
				ann.say(s.ID, "are you there?")
				return slices.Contains(h.types(s.ID), "message.unheard")
			}, 10*time.Second, 50*time.Millisecond)

			h.answers(http.StatusGone)
			unwanted := ann.say(s.ID, "not wanted")
			var page struct {
				Dead   []obj
				Cursor string
			}
			mine := func() (ids []string) {
				for cursor := ""; ; cursor = page.Cursor {
					require.NoError(t, host.Do(t.Context(), "GET", "/webhooks/dead?limit=1&cursor="+cursor, nil, &page))
					for _, l := range page.Dead {
						if l["session"] == s.ID && l["seq"] == float64(unwanted.Seq) {
							ids = append(ids, l["id"].(string))
						}
					}
					if page.Cursor == "" {
						return ids
					}
				}
			}
			require.Eventually(t, func() bool { return len(mine()) == 2 }, 20*time.Second, 20*time.Millisecond)
			ids := mine()
			h.answers(http.StatusInternalServerError)
			code(t, "unavailable", host.Do(t.Context(), "POST", "/webhooks/dead/"+ids[0]+"/replay", nil, nil))
			h.answers(http.StatusOK)
			require.NoError(t, host.Do(t.Context(), "POST", "/webhooks/dead/"+ids[0]+"/replay", nil, nil))
			require.NoError(t, host.Do(t.Context(), "DELETE", "/webhooks/dead/"+ids[1], nil, nil))
			require.Empty(t, mine())
			code(t, "not_found", host.Do(t.Context(), "DELETE", "/webhooks/dead/"+ids[1], nil, nil))
			code(t, "not_found", host.Do(t.Context(), "POST", "/webhooks/dead/x/replay", nil, nil))
			code(t, "bad_request", host.Do(t.Context(), "GET", "/webhooks/dead?cursor=x", nil, nil))
			boss := client.API{BaseURL: n.url(), HTTP: web, Key: token(t, n, client.TokenRequest{Role: "supervisor", ID: name("sue")})}
			for _, c := range [][2]string{{"GET", "/webhooks/dead"}, {"POST", "/webhooks/dead/" + ids[0] + "/replay"}, {"DELETE", "/webhooks/dead/" + ids[0]}} {
				code(t, "forbidden", boss.Do(t.Context(), c[0], c[1], nil, nil))
			}

			metrics := get(t, http.DefaultClient, n.url(), "/metrics", "").body + get(t, http.DefaultClient, other.url(), "/metrics", "").body
			for _, m := range []string{"delivered_total", "failed_attempts_total", "dead_total", "dead_dropped_total 0", "dead_letters", "lag_seconds", "lag_sessions"} {
				require.Contains(t, metrics, "bellhop_webhook_"+m)
			}
			sum := func(metric string) (n int) {
				for _, m := range regexp.MustCompile(`(?m)^bellhop_webhook_`+metric+` (\d+)$`).FindAllStringSubmatch(metrics, -1) {
					v, err := strconv.Atoi(m[1])
					require.NoError(t, err)
					n += v
				}
				return n
			}
			require.GreaterOrEqual(t, sum("delivered_total"), 7)
			require.GreaterOrEqual(t, sum("failed_attempts_total"), 3)
			require.GreaterOrEqual(t, sum("dead_total"), 2)
		})
	}
	t.Run("without", func(t *testing.T) {
		n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
		require.NoError(t, n.api().Do(t.Context(), "GET", "/webhooks/dead", nil, nil))
		code(t, "wrong_state", n.api().Do(t.Context(), "POST", "/webhooks/dead/00-1-1/replay", nil, nil))
	})
}

// The embedded mode remembers what it has not delivered over a restart, of ended
// sessions, too.
func TestWebhooksEmbeddedRestart(t *testing.T) {
	h, dir := newHostApp(t), t.TempDir()
	h.answers(http.StatusBadGateway)
	same := func(s *Settings) { s.DataDir = dir }
	n := startNode(t, "", h.settings, same)
	uma, eve := user(t, n), user(t, n)
	open, over := uma.open(name("q")), eve.open(name("q"))
	uma.say(open.ID, "anybody?")
	_, err := eve.End(t.Context(), over.ID, "", false)
	require.NoError(t, err)
	n.stop()
	h.answers(http.StatusOK)
	startNode(t, "", h.settings, same)
	h.await(t, open.ID, "session.opened", "message.created")
	h.await(t, over.ID, "session.opened", "session.ended")
}

// Settings that cannot work are refused at start, with a sentence that tells no secret.
func TestUnusableWebhookSettings(t *testing.T) {
	long := "whsec_" + strings.Repeat("A", 4*22)
	for _, c := range []struct{ args, names string }{
		{"--webhook-url https://x.example/h", "--webhook-secret: required"},
		{"--webhook-secret " + oldSecret, "--webhook-url: missing"},
		{"--webhook-url x.example --webhook-secret " + oldSecret, "--webhook-url: it must be https://host/path"},
		{"--webhook-url http://x.example/h --webhook-secret " + oldSecret, "--webhook-url: it must be https;"},
		{"--webhook-url https://x.example/h --webhook-secret hunter2", "--webhook-secret: it must begin with whsec_"},
		{"--webhook-url https://x.example/h --webhook-secret whsec_hunter2!", "--webhook-secret: what comes after whsec_ must be base64"},
		{"--webhook-url https://x.example/h --webhook-secret whsec_c2hvcnQ=", "24 to 64 bytes in base64, not 5"},
		{"--webhook-url https://x.example/h --webhook-secret " + long, "24 to 64 bytes in base64, not 66"},
		{"--webhook-url https://x.example/h --webhook-secret " + oldSecret + "," + newSecret + "," + oldSecret, "--webhook-secret: one, or two"},
		{"--webhook-url https://x.example/h --webhook-secret " + oldSecret + ",hunter2", "--webhook-secret: it must begin"},
	} {
		var out, err bytes.Buffer
		status := run(t.Context(), append(strings.Fields(c.args), "--data-dir", t.TempDir(), "--addr", "127.0.0.1:0"), &out, &err)
		require.Equal(t, 2, status, "%s: %s", c.args, err.String())
		require.Equal(t, 1, strings.Count(err.String(), "\n"), "%s: %s", c.args, err.String())
		require.Contains(t, err.String(), c.names, c.args)
		require.NotContains(t, err.String(), "hunter2")
	}
}
