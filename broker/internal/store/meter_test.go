package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// What Redis did not carry out is told by what is to be done about it.
func TestKindsOfFailures(t *testing.T) {
	names := []string{"unanswered", "full", "passing", "refused"}
	for err, kind := range map[error]int{
		nil: -1, redis.Nil: -1, fmt.Errorf("send: %w", context.Canceled): -1,
		io.ErrUnexpectedEOF: unanswered, context.DeadlineExceeded: unanswered, errors.New("dial tcp: connection refused"): unanswered,
		answered("OOM command not allowed when used memory > 'maxmemory'."):            full,
		answered("LOADING Redis is loading the dataset in memory"):                     passes,
		answered("READONLY You can't write against a read only replica."):              passes,
		answered("TRYAGAIN Multiple keys request during rehashing of slot"):            passes,
		answered("NOPERM this user has no permissions to run the 'zlexcount' command"): refused,
		answered("WRONGTYPE Operation against a key holding the wrong kind of value"):  refused,
	} {
		m := newMeter()
		m.fail(err)
		for i, name := range names {
			want := 0.0
			if i == kind {
				want = 1
			}
			var now dto.Metric
			require.NoError(t, m.failed.WithLabelValues(name).Write(&now))
			require.InDelta(t, want, now.GetCounter().GetValue(), 0, "%v: %s", err, name)
		}
	}
}

// What one script, and one failure, costs to be measured: a send has both at most.
func BenchmarkMeter(b *testing.B) {
	m := newMeter()
	m.took["send"] = m.times.WithLabelValues("send")
	b.ReportAllocs()
	for b.Loop() {
		m.took["send"].Observe(.0004)
		m.fail(nil)
	}
}
