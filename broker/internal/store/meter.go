package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"bellhop/internal/timing"
)

// meter tells what Redis made of what this node asked.
type meter struct {
	times  *prometheus.HistogramVec
	took   map[string]prometheus.Observer // by script; filled by Open
	failed *prometheus.CounterVec
	by     [unlike]prometheus.Counter // the same, by kind
	lost   atomic.Int64               // subscribers' connections
}

// Kinds of failures; the last counts them.
const (
	unanswered = iota
	full
	passes
	refused
	unlike
)

func newMeter() *meter {
	m := &meter{
		times: timing.New("bellhop_script_seconds", "How long Redis took for a script, as this node saw it, by script; one run of `send` may be many messages.", "script"),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_redis_errors_total",
			Help: "Scripts and events that Redis did not carry out for this node, by kind: unanswered, full, passing (it starts, moves or fails over) or refused."}, []string{"kind"}),
		took: map[string]prometheus.Observer{},
	}
	for kind, name := range []string{unanswered: "unanswered", full: "full", passes: "passing", refused: "refused"} {
		m.by[kind] = m.failed.WithLabelValues(name)
	}
	return m
}

// fail counts what became of Redis; an end that the caller wished for is none.
func (m *meter) fail(err error) {
	if err == nil {
		return
	}
	var answer redis.Error
	switch {
	case errors.Is(err, redis.Nil), errors.Is(err, context.Canceled):
	case redis.IsOOMError(err):
		m.by[full].Inc()
	case !errors.As(err, &answer):
		m.by[unanswered].Inc()
	case passing(err):
		m.by[passes].Inc()
	default:
		m.by[refused].Inc()
	}
}

// Meters are what is told of Redis, for Prometheus.
func (s *Store) Meters() []prometheus.Collector {
	return []prometheus.Collector{s.meter.times, s.meter.failed}
}

// SubscribersLost is how many subscribers' connections ended by themselves.
func (s *Store) SubscribersLost() int64 { return s.meter.lost.Load() }
