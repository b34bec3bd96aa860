package trace

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// follow is what is done for one command that runs one script, whose event is delivered.
func follow(ctx context.Context, t *Tracer, r *http.Request) (carried string) {
	ctx, command := t.Command(ctx, "send", t.Origin(r), false)
	script := t.Script(ctx, "send")
	carried = script.Carried()
	script.Tell("bellhop.partition", "0")
	script.End()
	delivery := t.Deliver(ctx, carried, "s")
	delivery.Count("bellhop.connections", 1)
	delivery.End()
	command.Refused("ended", false)
	command.End()
	return carried
}

func request(t testing.TB) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	return r
}

func started(t testing.TB, endpoint string, ratio float64) *Tracer {
	t.Helper()
	tracer, err := Start(t.Context(), Options{Endpoint: endpoint, Ratio: ratio, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { tracer.Close(context.WithoutCancel(t.Context())) })
	return tracer
}

// What is off allocates nothing.
func TestOffCostsNothing(t *testing.T) {
	tracer, ctx, r := started(t, "", 1), t.Context(), request(t)
	require.Nil(t, tracer)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if follow(ctx, tracer, r) != "" {
			t.Fatal("it is on")
		}
	}))
}

// However long a collector takes, what waits for it is bounded.
func TestMemoryIsBounded(t *testing.T) {
	free := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-free }))
	t.Cleanup(stuck.Close)
	t.Cleanup(func() { close(free) })
	tracer, r := started(t, stuck.URL, 1), request(t)
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	for range 10_000 {
		require.NotEmpty(t, follow(t.Context(), tracer, r))
	}
	require.Less(t, live(), before+12<<20, "30,000 spans would be more")
}

// A node that stops waits two seconds for a collector that does not answer.
func TestCloseDoesNotWaitForLong(t *testing.T) {
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then it hears when the other side has gone
		<-r.Context().Done()
	}))
	t.Cleanup(stuck.Close)
	tracer := started(t, stuck.URL, 1)
	follow(t.Context(), tracer, request(t))
	began := time.Now()
	tracer.Close(t.Context())
	require.Less(t, time.Since(began), closePatience+3*time.Second, "a batch may take half a minute")
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:4318", "https://u:p@otel.example/x/v1/traces"} {
		require.NoError(t, CheckURL(good))
	}
	for _, bad := range []string{"127.0.0.1:4318", "grpc://h:4317", "http://", "http://h?key=sesame", "http://h#sesame", "http://u:sesame%zz@h"} {
		err := CheckURL(bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "sesame")
	}
}

func BenchmarkFollow(b *testing.B) {
	for _, c := range []struct {
		name, endpoint string
		ratio          float64
	}{{"off", "", 0}, {"unsampled", "http://127.0.0.1:1", 0}, {"sampled", "http://127.0.0.1:1", 1}} {
		b.Run(c.name, func(b *testing.B) {
			tracer, r := started(b, c.endpoint, c.ratio), &http.Request{Header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				follow(b.Context(), tracer, r)
			}
		})
	}
}
