package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// collector takes traces over OTLP.
type collector struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	raw   []byte
	spans []seenSpan
}

type seenSpan struct {
	*otlp.Span
	instance string
}

func newCollector(t testing.TB) *collector {
	t.Helper()
	c := &collector{t: t}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collect.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Basic b3A6c2VzYW1lLXBhc3N3b3Jk" {
		c.t.Errorf("%s %s %v: %v", r.Method, r.URL.Path, r.Header, err)
	}
	c.raw = append(c.raw, body...)
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, seenSpan{s, text(of.Resource.Attributes, "service.instance.id")})
			}
		}
	}
}

// to has a node export here what of its own it samples.
func (c *collector) to(ratio float64) func(s *Settings) {
	return func(s *Settings) {
		s.OTLPEndpoint, s.TraceRatio = NewSecret(strings.Replace(c.URL, "//", "//op:sesame-password@", 1)), ratio
	}
}

func text(list []*common.KeyValue, name string) string {
	for _, a := range list {
		if a.Key == name {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// find gives the spans that fit.
func (c *collector) find(fits func(s seenSpan) bool) (found []seenSpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if fits(s) {
			found = append(found, s)
		}
	}
	return found
}

// command gives the span of a command in a session; there must be one.
func (c *collector) command(cmd, session string) seenSpan {
	c.t.Helper()
	found := c.find(func(s seenSpan) bool {
		return s.Name == cmd && s.Kind == otlp.Span_SPAN_KIND_SERVER && text(s.Attributes, "bellhop.session") == session
	})
	require.Len(c.t, found, 1, "of %s", cmd)
	return found[0]
}

// below gives the spans that another is the parent of.
func (c *collector) below(parent seenSpan, name string) []seenSpan {
	return c.find(func(s seenSpan) bool {
		return s.Name == name && string(s.TraceId) == string(parent.TraceId) && string(s.ParentSpanId) == string(parent.SpanId)
	})
}

// reaches requires that a script's event was delivered at each of these nodes, and gives those.
func (c *collector) reaches(command seenSpan, script, session string, nodes int) {
	c.t.Helper()
	ran := c.below(command, script)
	require.Len(c.t, ran, 1, "runs of %s", script)
	require.Equal(c.t, otlp.Span_SPAN_KIND_CLIENT, ran[0].Kind)
	require.NotEmpty(c.t, text(ran[0].Attributes, "bellhop.partition"))
	var at []string
	for _, s := range c.below(ran[0], "deliver") {
		require.Equal(c.t, session, text(s.Attributes, "bellhop.session"))
		at = append(at, s.instance)
	}
	slices.Sort(at)
	require.Len(c.t, slices.Compact(at), nodes, "nodes that delivered")
}

// A trace goes from a command through its script to the connections at every node, and tells no secret.
func TestTraces(t *testing.T) {
	logs, c := allLogs(t), newCollector(t)
	redis := testenv.Redis(t).URL()
	debug := func(s *Settings) { s.LogLevel, s.LogFormat = "debug", "json" }
	a, b := startNode(t, redis, c.to(1), debug), startNode(t, redis, c.to(0), debug) // b samples what a says
	q := name("q")
	uma := dial(t, a, client.TokenRequest{Role: "user", ID: name("uma"), Name: "Sesame Person"})
	ann := dial(t, b, client.TokenRequest{Role: "agent", ID: name("ann"), Name: "Sesame Agent", Queues: []string{q}})
	s, err := uma.Open(t.Context(), client.OpenRequest{Queue: q, Subject: "sesame subject", Meta: []byte(`{"a":"sesame meta"}`)})
	require.NoError(t, err)
	_, err = ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	_, err = uma.Send(t.Context(), client.SendRequest{Session: s.ID, Body: "sesame text", Key: "sesame-key"})
	require.NoError(t, err)
	await(ann, func(e *client.MessageEvent) bool { return e.Text() == "sesame text" })
	_, err = uma.Grab(t.Context(), s.ID)
	require.Error(t, err)
	const given, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	post := func(bearer, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url()+"/api/v1/sessions/"+s.ID+"/messages", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Traceparent", "00-"+given+"-"+parent+"-01")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	post(token(t, b, client.TokenRequest{Role: "user", ID: uma.id}), `{"body":"sesame of hers"}`) // b samples nothing of hers
	post(key, `{"as":"bot","body":"sesame of the host"}`)
	await(uma, func(e *client.MessageEvent) bool { return e.Text() == "sesame of the host" })
	_, err = uma.End(t.Context(), s.ID, "sesame reason", false)
	require.NoError(t, err)
	await(ann, func(e *client.SessionChanged) bool { return e.Session.State == "ended" })
	b.stop()
	a.stop()

	send := c.command("send", s.ID)
	require.NotEmpty(t, text(send.Attributes, "bellhop.connection"))
	c.reaches(send, "send", s.ID, 2)
	c.reaches(c.command("end", s.ID), "end", s.ID, 2)
	host := c.command("POST /api/v1/sessions/:id/messages", s.ID)
	require.Equal(t, given+parent, hex.EncodeToString(host.TraceId)+hex.EncodeToString(host.ParentSpanId))
	c.reaches(host, "send", s.ID, 2)
	refused := c.command("grab", s.ID)
	require.Equal(t, "forbidden", text(refused.Attributes, "bellhop.code"))
	require.Empty(t, text(send.Attributes, "bellhop.code"))
	require.Regexp(t, `"command refused".*"cmd":"grab".*"trace":"`+hex.EncodeToString(refused.TraceId)+`"`, logs.text())
	for _, secret := range []string{"sesame", "Sesame", key} {
		require.NotContains(t, string(c.raw), secret)
	}
	require.NotContains(t, logs.text(), "sesame-password")
}

// Without a collector's address nothing is exported, whatever the environment says, and what is published
// is what it was before there were traces; nor is there more of what is not sampled.
func TestNoTraces(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	server := testenv.Redis(t)
	heard := server.Client().PSubscribe(t.Context(), "*")
	t.Cleanup(func() { _ = heard.Close() })
	_, err := heard.Receive(t.Context())
	require.NoError(t, err)
	for _, change := range []func(*Settings){func(*Settings) {}, c.to(0)} {
		n := startNode(t, server.URL(), change)
		uma := user(t, n)
		s, err := uma.Open(t.Context(), client.OpenRequest{Queue: name("q")})
		require.NoError(t, err)
		uma.say(s.ID, "last words")
		for said := ""; !strings.Contains(said, "last words"); {
			m, err := heard.ReceiveMessage(t.Context())
			require.NoError(t, err)
			said = m.Payload
			require.NotContains(t, said, `"trace"`)
			if f := strings.Split(said, "\x1f"); said[0] == 'M' && len(f) == 9 {
				require.Empty(t, f[6], "counts: nobody else is there")
			}
		}
		n.stop()
	}
	require.Empty(t, c.raw)
}

// A collector that does not answer keeps nobody waiting, neither a command nor who stops the node.
func TestCollectorIsStuck(t *testing.T) {
	asked, free := make(chan struct{}, 1), make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-free:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(stuck.Close)
	t.Cleanup(func() { close(free) })
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	n := startNode(t, testenv.Redis(t).URL(), func(s *Settings) { s.OTLPEndpoint, s.TraceRatio = NewSecret(stuck.URL), 1 })
	uma := user(t, n)
	s, err := uma.Open(t.Context(), client.OpenRequest{Queue: name("q")})
	require.NoError(t, err)
	<-asked
	began := time.Now()
	for i := range 100 {
		uma.say(s.ID, fmt.Sprint(i))
	}
	require.Less(t, time.Since(began), 5*time.Second)
	began = time.Now()
	n.stop()
	require.Less(t, time.Since(began), 8*time.Second, "a batch may take half a minute")
}
