package top

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
)

// site is a server that tells metrics as a node does, until it is told otherwise.
type site struct {
	*httptest.Server
	handle atomic.Pointer[http.HandlerFunc]
}

func (s *site) answer(h http.HandlerFunc) { s.handle.Store(&h) }

func startSite(t *testing.T, h http.HandlerFunc) *site {
	s := &site{}
	s.answer(h)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handle.Load())(w, r) }))
	t.Cleanup(s.Close)
	return s
}

// node tells so many sends by a process that was started then.
func node(sends, started float64) http.HandlerFunc {
	r := prometheus.NewRegistry()
	for name, v := range map[string]float64{"bellhop_connections": 7, "bellhop_redis_up": 1, "process_start_time_seconds": started, "bellhop_sends_acknowledged_total": sends} {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
		g.Set(v)
		r.MustRegister(g)
	}
	metrics := promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/readyz" {
			_, _ = w.Write([]byte(`{"redis":"ok","archive":"ok","draining":false}`))
			return
		}
		metrics.ServeHTTP(w, req)
	}
}

// A node that answers late, wrongly or not at all is told so, hides no other, and counts again from its restart once it is back.
func TestNodesThatDoNotAnswer(t *testing.T) {
	started := float64(time.Now().Add(-time.Hour).Unix())
	well, ill := startSite(t, node(10, started)), startSite(t, node(1000, started))
	w := newWatcher(Options{URLs: []string{well.URL, ill.URL + "/"}, Every: time.Second})
	t.Cleanup(w.close)
	v := w.look(t.Context())
	require.Equal(t, 2, v.answering())
	require.InDelta(t, 14, v.Totals.conns, 0)
	for why, h := range map[string]http.HandlerFunc{
		"no answer in time": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"502 Bad Gateway":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"302 Found": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, well.URL+"/metrics", http.StatusFound)
		},
		"it cannot be read":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"these are not a node's": promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{}).ServeHTTP,
		"EOF":                    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"/readyz: 404 Not Found": func(w http.ResponseWriter, r *http.Request) { half(w, r, node(1, started)) },
	} {
		ill.answer(h)
		v = w.look(t.Context())
		require.Equal(t, 1, v.answering(), why)
		require.ErrorContains(t, v.Nodes[1].Err, why)
		require.InDelta(t, 7, v.Totals.conns, 0)
		require.Contains(t, plain(v, 140), "does not answer")
	}
	ill.answer(node(50, float64(time.Now().Unix())))
	v = w.look(t.Context())
	require.NoError(t, v.Nodes[1].Err)
	require.Greater(t, v.Nodes[1].Sends, 0.0, "50 since it was started")

	well.Close()
	ill.Close()
	var out bytes.Buffer
	require.EqualError(t, Once(t.Context(), Options{URLs: []string{well.URL, ill.URL}, Every: time.Second}, 80, &out), "no node answers")
	require.Contains(t, out.String(), "0 of 2 nodes answer")
}

// half answers for metrics alone.
func half(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	if r.URL.Path == "/readyz" {
		http.NotFound(w, r)
		return
	}
	h(w, r)
}
