package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// audit checks the promises on everything in Redis and gives the violations.
// It reads from outside: keys and logs, not what the nodes think.
func audit(ctx context.Context, t testing.TB, b *Broker) []string {
	t.Helper()
	var bad []string
	breach := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	holds := map[string]string{} // agent|session → why the place must be held
	waiting := map[string]string{}
	for _, p := range b.parts {
		ids, err := b.rdb.ZRange(ctx, p.sessions(), 0, -1).Result()
		require.NoError(t, err)
		for _, id := range ids {
			st, err := b.look(ctx, id)
			require.NoError(t, err)
			bad = append(bad, auditSession(ctx, t, b, p, st)...)
			if st.State == Waiting {
				waiting[p.waiting(st.Queue)+"|"+id] = id
			}
			if st.State != Ended && st.Agent != nil {
				holds[st.Agent.ID+"|"+id] = "owner"
			}
			if st.Target != nil {
				holds[st.Target.ID+"|"+id] = "target"
			}
			if (st.State == Transferring) != (st.Target != nil) {
				breach("%s: %s with target %v", id, st.State, st.Target)
			}
		}
		if n := b.rdb.ZCard(ctx, p.outbox()).Val(); n > 0 {
			breach("%d effects still owed in partition %d", n, p.index)
		}
	}
	for _, p := range b.parts {
		auditLists(ctx, t, b, p, waiting, holds, breach)
	}
	for place := range waiting {
		breach("waits but is in no list: %s", place)
	}
	for place, why := range holds {
		breach("no place held for the %s of %s", why, place)
	}
	return bad
}

// auditLists checks a partition's waiting lists and loads, taking what it finds out of the maps.
func auditLists(ctx context.Context, t testing.TB, b *Broker, p partition, waiting, holds map[string]string, breach func(string, ...any)) {
	t.Helper()
	each := func(pattern string, f func(key string)) {
		for _, k := range scanAll(ctx, t, b, p.prefix+pattern) {
			f(k)
		}
	}
	each("waiting:*", func(key string) {
		for _, id := range b.rdb.ZRange(ctx, key, 0, -1).Val() {
			if _, ok := waiting[key+"|"+id]; !ok {
				breach("in list %s but not waiting there: %s", key, id)
			}
			delete(waiting, key+"|"+id)
		}
	})
	each("load:*", func(key string) {
		agent := strings.TrimPrefix(key, p.prefix+"load:")
		load := b.rdb.HGetAll(ctx, key).Val()
		for session := range load {
			if _, ok := holds[agent+"|"+session]; !ok {
				breach("place of %s held for nothing: %s = %s", agent, session, load[session])
			}
			delete(holds, agent+"|"+session)
		}
		prof, err := b.profile(ctx, RoleAgent, agent)
		require.NoError(t, err)
		if len(load) > prof.capacity {
			breach("%s holds %d of %d", agent, len(load), prof.capacity)
		}
	})
}

// scanAll lists keys on every master; the pattern is the test's own.
func scanAll(ctx context.Context, t testing.TB, b *Broker, pattern string) []string {
	t.Helper()
	var out []string
	for c := range masters(ctx, t, b) {
		iter := c.Scan(ctx, 0, pattern, 1000).Iterator()
		for iter.Next(ctx) {
			out = append(out, iter.Val())
		}
		require.NoError(t, iter.Err())
	}
	return out
}

// auditSession recounts one session from its log.
func auditSession(ctx context.Context, t testing.TB, b *Broker, p partition, st *state) []string {
	t.Helper()
	var bad []string
	log, err := b.readLog(ctx, st.ID, 1, st.Seq+10)
	require.NoError(t, err)
	for i, e := range log {
		if e.seq != int64(i+1) {
			bad = append(bad, fmt.Sprintf("%s: entry %d has seq %d", st.ID, i+1, e.seq))
		}
	}
	if int64(len(log)) != st.Seq {
		bad = append(bad, fmt.Sprintf("%s: %d entries, seq %d", st.ID, len(log), st.Seq))
	}
	if n := b.rdb.StrLen(ctx, p.authors(st.ID)).Val(); n != 2*st.Seq {
		bad = append(bad, fmt.Sprintf("%s: %d bytes of authors for %d messages", st.ID, n, st.Seq))
	}
	for w, n := range st.unread {
		var want int64
		for _, e := range log {
			if e.by != w && e.by != "" && e.seq > st.read[w] && !(e.note && w[0] == 'u') {
				want++
			}
		}
		if n != want {
			bad = append(bad, fmt.Sprintf("%s: unread of %s is %d, counted %d", st.ID, w, n, want))
		}
	}
	owned := st.State == Serving || st.State == Transferring || st.State == Ending
	if owned != (st.Agent != nil) && st.State != Ended {
		bad = append(bad, fmt.Sprintf("%s: %s with owner %v", st.ID, st.State, st.Agent))
	}
	return bad
}

// clean waits until the audit finds nothing that lasts. It is no snapshot, and
// timers of earlier tests fire meanwhile: what two passes in a row do not both
// see was only on its way.
func clean(t testing.TB, b *Broker) {
	t.Helper()
	lasting := audit(t.Context(), t, b)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && len(lasting) > 0; {
		time.Sleep(200 * time.Millisecond) // there is no signal for "nothing is owed any more"
		seen := map[string]bool{}
		for _, breach := range audit(t.Context(), t, b) {
			seen[breach] = true
		}
		lasting = slices.DeleteFunc(lasting, func(breach string) bool { return !seen[breach] })
	}
	if len(lasting) > 0 {
		t.Fatalf("promises broken:\n%s", strings.Join(lasting, "\n"))
	}
}
