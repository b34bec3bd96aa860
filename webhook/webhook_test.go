package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && goleak.Find() != nil {
		code = 1
	}
	os.Exit(code)
}

func secret(first byte, n int) string {
	key := make([]byte, n)
	key[0] = first
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

var one, two = secret(1, 24), secret(2, 64)

// endpoint serves f and gives an endpoint that delivers to it.
func endpoint(t *testing.T, f http.HandlerFunc, change ...func(*Options)) *Endpoint {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	o := Options{URL: s.URL, Secrets: []string{one}}
	for _, c := range change {
		c(&o)
	}
	e, err := New(o)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// What is delivered is signed with every secret, as the library verifies it.
func TestSignatures(t *testing.T) {
	var got http.Header
	var body []byte
	e := endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, _ = io.ReadAll(r.Body)
	}, func(o *Options) { o.Secrets = []string{two, one} })
	sent := []byte(`{"type":"x","text":"100 % 中文"}`)
	require.NoError(t, e.Deliver(t.Context(), "evt_1", sent))
	require.Equal(t, sent, body)
	require.Equal(t, "evt_1", got.Get("webhook-id"))
	require.Equal(t, "application/json", got.Get("Content-Type"))
	for _, s := range []string{one, two} {
		wh, err := standardwebhooks.NewWebhook(s)
		require.NoError(t, err)
		require.NoError(t, wh.Verify(body, got))
	}
	other, err := standardwebhooks.NewWebhook(secret(3, 24))
	require.NoError(t, err)
	require.Error(t, other.Verify(body, got))
	require.Len(t, strings.Fields(got.Get("webhook-signature")), 2)
}

// Only 200 to 299 means taken; what else an answer says is in the error.
func TestAnswers(t *testing.T) {
	status, after := 0, ""
	e := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
	})
	in := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		status int
		after  string
		gone   bool
		least  time.Duration
		most   time.Duration
	}{
		{400, "", false, 0, 0}, {404, "60", false, 0, 0}, {410, "", true, 0, 0}, {429, "7", false, 7 * time.Second, 7 * time.Second},
		{503, in, false, 59 * time.Minute, time.Hour}, {503, "soon", false, 0, 0}, {503, "-1", false, 0, 0}, {500, "7", false, 0, 0},
		{503, "Mon, 02 Jan 2006 15:04:05 GMT", false, 0, 0}, {429, "99999999999", false, 0, 0},
	} {
		status, after = c.status, c.after
		err := e.Deliver(t.Context(), "evt_1", []byte("{}"))
		var r *Refusal
		require.ErrorAs(t, err, &r, "%+v", c)
		require.Equal(t, c.status, r.Status)
		require.Equal(t, c.gone, r.Gone())
		require.GreaterOrEqual(t, r.RetryAfter(), c.least, "%+v", c)
		require.LessOrEqual(t, r.RetryAfter(), c.most, "%+v", c)
	}
	for _, ok := range []int{200, 201, 202, 204} {
		status, after = ok, ""
		require.NoError(t, e.Deliver(t.Context(), "evt_1", []byte("{}")))
	}
}

// A redirect is not followed: it is a refusal.
func TestRedirectsAreRefused(t *testing.T) {
	var followed atomic.Bool
	for _, status := range []int{301, 302, 303, 307, 308} {
		e := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				followed.Store(true)
				return
			}
			http.Redirect(w, r, "/elsewhere", status)
		})
		var r *Refusal
		require.ErrorAs(t, e.Deliver(t.Context(), "evt_1", []byte("{}")), &r)
		require.Equal(t, status, r.Status)
	}
	require.False(t, followed.Load())
}

// An endpoint that does not answer, or never ends its answer, is given up in time,
// and an endless one is not read.
func TestSlowAndEndlessAnswers(t *testing.T) {
	quick := func(o *Options) { o.Patience = 200 * time.Millisecond }
	hanging := endpoint(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, quick)
	at := time.Now()
	require.Error(t, hanging.Deliver(t.Context(), "evt_1", nil))
	require.Less(t, time.Since(at), 5*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	require.ErrorIs(t, hanging.Deliver(ctx, "evt_1", nil), context.Canceled)

	var wrote atomic.Int64
	endless := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			n, err := w.Write(make([]byte, 32<<10))
			if wrote.Add(int64(n)); err != nil {
				return
			}
		}
	})
	require.NoError(t, endless.Deliver(t.Context(), "evt_1", nil))
	require.Less(t, wrote.Load(), int64(64<<20), "what it has to say is not read")

	dripping := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}, quick)
	at = time.Now()
	require.NoError(t, dripping.Deliver(t.Context(), "evt_1", nil), "its status has come")
	require.Less(t, time.Since(at), 5*time.Second)
}

// A certificate that nobody vouches for is refused, before anything is sent.
func TestTLSIsVerified(t *testing.T) {
	var came atomic.Bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Store(true) }))
	t.Cleanup(s.Close)
	e, err := New(Options{URL: s.URL, Secrets: []string{one}})
	require.NoError(t, err)
	require.ErrorContains(t, e.Deliver(t.Context(), "evt_1", []byte("{}")), "certificate")
	require.False(t, came.Load())
}

// An error names neither the URL, which may hold a password, nor a secret.
func TestErrorsTellNoSecrets(t *testing.T) {
	e, err := New(Options{URL: "http://me:hunter2@127.0.0.1:1/secret-path", Secrets: []string{one}})
	require.NoError(t, err)
	err = e.Deliver(t.Context(), "evt_1", nil)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "secret-path")
	_, err = New(Options{URL: "https://x.example/", Secrets: []string{"whsec_hunter2"}})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestWhatCannotBeUsed(t *testing.T) {
	for _, bad := range []string{"", "x", "ftp://x.example", "https://", "https:///x", "http://example.org/x", "http://8.8.8.8/", "http://[2001:db8::1]/",
		"https://x.example/#a", "//x.example", "http://localhost.example.org/", "http://169.254.169.254/"} {
		require.Error(t, CheckURL(bad), bad)
	}
	for _, good := range []string{"https://x.example", "https://x.example:8443/hooks?a=b", "http://localhost:3000/x", "http://127.0.0.1/", "http://[::1]:1/",
		"http://host-app:3000/hooks", "http://10.1.2.3/", "http://app.internal/", "http://a.b.svc.cluster.local/"} {
		require.NoError(t, CheckURL(good), good)
	}
	for _, bad := range []string{"", "x", "whsec_", "whsec_!!", secret(1, 23), secret(1, 65), strings.TrimPrefix(one, "whsec_"), one + "=", " " + one} {
		require.Error(t, CheckSecret(bad), bad)
	}
	require.NoError(t, errors.Join(CheckSecret(one), CheckSecret(two)))
	_, err := New(Options{URL: "https://x.example"})
	require.Error(t, err)
}
