package handlers

import (
	"io"
	"net/http"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// A client that takes nothing for too long is closed, and counted once, however often the heartbeat looks.
func TestAStuckReaderIsCountedOnce(t *testing.T) {
	e := newEdge(t, Options{Heartbeat: time.Hour, Silence: time.Hour})
	w := e.connect(t, e.token)
	w.line(t, `{"event":"hello"`)
	var sock *socket
	for _, s := range e.all() {
		if s.peer.Identity().ID == "uma" {
			sock = s
		}
	}
	require.Eventually(t, e.rests, 5*time.Second, time.Millisecond)
	sock.mu.Lock()
	sock.writing, sock.since = true, e.clock.Load() // as if a write was under way
	sock.mu.Unlock()
	sock.check(time.Now())
	require.Zero(t, e.meters.slow.Load())
	e.clock.Add(writePatience.Milliseconds() + 1)
	for range 3 {
		sock.check(time.Now())
	}
	require.EqualValues(t, 1, e.meters.slow.Load())
	sock.mu.Lock()
	sock.writing = false
	sock.mu.Unlock()
	e.othersAreServed(t)
}

// A reader with too much behind it is counted; a connection closed for another reason is not.
func TestSlowReadersAreCountedByTheirClose(t *testing.T) {
	s := testServer(t, Options{MaxPending: 10})
	slow, revoked := newSocket(s), newSocket(s)
	for range 5 {
		slow.Deliver([]byte(`{"event":"x"}`))
	}
	revoked.Close(chat.CloseRevoked, "")
	require.EqualValues(t, chat.CloseTooSlow, slow.code)
	require.EqualValues(t, 1, s.meters.slow.Load())
}

// Refusals over HTTP are counted by their code, those before any handler too; what is not ours counts as internal.
func TestRefusalsOfRequestsAreCounted(t *testing.T) {
	e := newEdge(t, Options{})
	for path, code := range map[string]chat.Code{"/nowhere": chat.CodeNotFound, "/api/v1/sessions": chat.CodeUnauthorized,
		"/websocket": chat.CodeBadRequest} {
		before := refusals(t, e, code)
		res, err := http.Get("http://" + e.addr + path)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		require.InDelta(t, before+1, refusals(t, e, code), 0, path)
	}
	before := refusals(t, e, chat.CodeInternal)
	e.meters.refuse("made_up")
	require.InDelta(t, before+1, refusals(t, e, chat.CodeInternal), 0)
}

// What a command costs to be measured.
func BenchmarkMeters(b *testing.B) {
	m := newMeters()
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		m.took["send"].Observe(time.Since(began).Seconds())
	}
}

func refusals(t *testing.T, e *edge, code chat.Code) float64 {
	t.Helper()
	var now dto.Metric
	require.NoError(t, e.meters.refused[code].Write(&now))
	return now.GetCounter().GetValue()
}
