package broker

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// An idle deployment asks Redis no more than four times a second for each partition, and twice for
// each node: all that it sends, whatever it is for.
func TestAnIdleDeploymentAsksLittle(t *testing.T) {
	const seconds = 10
	for _, c := range []struct{ nodes, partitions int }{{1, 16}, {2, 16}, {4, 16}, {4, 64}} {
		t.Run(fmt.Sprintf("%d nodes, %d partitions", c.nodes, c.partitions), func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t)
			hooked := func(o *Options) { o.Partitions, o.Hook = c.partitions, refuser{} }
			var nodes []*Broker
			for range c.nodes {
				nodes = append(nodes, startNode(t, server.URL(), hooked))
			}
			user(t, nodes[0], name("uma"))
			settledWorkers(t, nodes)
			for _, b := range nodes {
				eventually(t, b.sessions.ListsByLabel) // what each does at its start
			}
			counts := server.Asked(func() { time.Sleep(seconds * time.Second) }) // the time is the subject
			total := 0
			for _, n := range counts {
				total += n
			}
			t.Logf("%.1f a second: %v", float64(total)/seconds, counts)
			require.LessOrEqual(t, total, (4*c.partitions+2*c.nodes)*seconds)
			require.Positive(t, counts["evalsha"])
			require.LessOrEqual(t, counts["get"], c.nodes, "the record of partitions is looked at where something is new")
		})
	}
}

// settledWorkers waits until each partition is looked after by two nodes, or all there are.
func settledWorkers(t testing.TB, nodes []*Broker) {
	t.Helper()
	eventually(t, func() bool {
		for _, p := range nodes[0].store.Parts {
			n := 0
			for _, b := range nodes {
				if b.works(p) {
					n++
				}
			}
			if n != min(2, len(nodes)) {
				return false
			}
		}
		return true
	})
}

// What monitoring asks for costs as much with many sessions that wait for the archive or the hook as with few,
// and tells of all of them.
func TestMonitoringAsksLittle(t *testing.T) {
	t.Parallel()
	server, ctx, q := testenv.Redis(t), t.Context(), name("q")
	b := startNode(t, server.URL(), func(o *Options) { o.NoArchiver, o.Hook = true, refuser{} })
	const each = 40
	want := int64(0)
	for i := range each * len(b.store.Parts) {
		id := fmt.Sprint("uma ", i)
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: id}, Queue: q})
		require.NoError(t, err)
		if i%2 == 0 {
			_, err = b.Send(ctx, host, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"hello"`)})
			require.NoError(t, err)
			want++
		}
		want++ // the message that says it was opened
	}
	var lag chat.Lag
	var hook HookLag
	counts := server.Asked(func() {
		var err error
		lag, err = b.Lag(ctx)
		require.NoError(t, err)
		hook, err = b.HookLag(ctx)
		require.NoError(t, err)
	})
	total := 0
	for _, what := range []string{"zcard", "zrange", "hmget", "xlen", "zrangebyscore"} { // the rest is the loops'
		total += counts[what]
	}
	require.LessOrEqual(t, total, 24*len(b.store.Parts), "%v", counts)
	require.EqualValues(t, each*len(b.store.Parts), lag.Sessions, "the queue's settings are not set")
	require.InEpsilon(t, want, lag.Messages, 0.2)
	require.EqualValues(t, each*len(b.store.Parts), hook.Sessions)

	before := testenv.Commands(t, b.store.Redis)
	for range 3 { // several may ask at a time
		now, err := b.Census(ctx)
		require.NoError(t, err)
		require.EqualValues(t, each*len(b.store.Parts), now.Waiting)
		require.Zero(t, now.Serving+now.Transferring+now.Ending)
	}
	after := testenv.Commands(t, b.store.Redis)
	require.Equal(t, 4*len(b.store.Parts), after["zlexcount"]-before["zlexcount"])
	require.LessOrEqual(t, after["zrange"]-before["zrange"], 3*len(b.store.Parts), "one of each partition, and what the loops ask")
}
