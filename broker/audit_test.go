package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// clean runs the audit until it finds nothing, as it must before long: here
// nothing may be late or only reserved. It looks at what came into being since the
// test's first node: other tests have left much in a Redis that they share.
func clean(t testing.TB, b *Broker) {
	t.Helper()
	since := int64(0)
	if at, ok := firstNodes.Load(t.Name()); ok {
		since = at.(time.Time).UnixMilli() //nolint:forcetypeassert // only these are stored
	}
	var found []Violation
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var err error
		found, err = b.audit(t.Context(), AuditOptions{Rate: 1e6, Slack: -time.Hour, Since: since})
		require.NoError(t, err)
		if len(found) == 0 {
			return
		}
	}
	lines := make([]string, len(found))
	for i, v := range found {
		lines[i] = v.String()
	}
	t.Fatalf("promises broken:\n%s", strings.Join(lines, "\n"))
}

// auditSession recounts one session from its log, unlike the product's audit,
// which counts from `authors`.
func auditSession(ctx context.Context, t testing.TB, b *Broker, p store.Partition, st *chat.Snapshot) []string {
	t.Helper()
	var bad []string
	log, err := b.sessions.ReadLog(ctx, st.ID, 1, st.Seq+10)
	require.NoError(t, err)
	for i, e := range log {
		if e.Seq != int64(i+1) {
			bad = append(bad, fmt.Sprintf("%s: entry %d has seq %d", st.ID, i+1, e.Seq))
		}
	}
	if int64(len(log)) != st.Seq {
		bad = append(bad, fmt.Sprintf("%s: %d entries, seq %d", st.ID, len(log), st.Seq))
	}
	if n := int64(len(b.store.Redis.GetRange(ctx, p.Authors(st.ID), 0, -1).Val())); n != 2*st.Seq {
		bad = append(bad, fmt.Sprintf("%s: %d bytes of authors for %d messages", st.ID, n, st.Seq))
	}
	for w, n := range st.Counts {
		var want int64
		for _, e := range log {
			if e.By != w && e.By != "" && e.Seq > st.Marks[w] && !(e.Note && w[0] == 'u') {
				want++
			}
		}
		if n != want {
			bad = append(bad, fmt.Sprintf("%s: unread of %s is %d, counted %d", st.ID, w, n, want))
		}
	}
	owned := st.State == chat.Serving || st.State == chat.Transferring || st.State == chat.Ending
	if owned != (st.Agent != nil) && st.State != chat.Ended {
		bad = append(bad, fmt.Sprintf("%s: %s with owner %v", st.ID, st.State, st.Agent))
	}
	return bad
}
