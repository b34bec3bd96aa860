package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// Three nodes behind the deployed nginx are restarted one after the other while clients talk: every acknowledged
// message is there once, in order, at every client, and nobody is away for long.
func TestARollingRestart(t *testing.T) {
	c := &rollingCommand{Clients: 24, Nodes: 3, Every: 100 * time.Millisecond, Drain: 500 * time.Millisecond}
	measured, err := c.measure(t.Context())
	require.NoError(t, err)
	r := measured.(*rollingReport)
	require.Len(t, r.steps, 3)
	require.Greater(t, r.acknowledged, 200)
	away := 0
	for _, s := range r.steps {
		if s.Away > 0 {
			away++
		}
		require.Less(t, s.Away, 10.0, "on a busy machine")
		require.Less(t, s.Waited, 15.0)
	}
	require.Positive(t, away, "somebody had to move")
	t.Log(r.title() + "\n" + table(r.figures()))
}

// What a rolling restart must not do is seen.
func TestWhatARollingRestartBreaksIsSeen(t *testing.T) {
	message := func(seq int64, text string) client.Message {
		body, err := json.Marshal(text)
		require.NoError(t, err)
		return client.Message{Seq: seq, Type: "text", Body: body}
	}
	log := map[int64]string{2: "a", 3: "b", 4: "c"}
	for name, c := range map[string]struct {
		acked map[string]int64
		saw   []client.Message
		holds bool
	}{
		"all":                  {map[string]int64{"a": 2}, []client.Message{message(3, "b"), message(4, "c")}, true},
		"acknowledged, lost":   {map[string]int64{"a": 2, "d": 5}, []client.Message{message(3, "b"), message(4, "c")}, false},
		"not seen":             {map[string]int64{"a": 2}, []client.Message{message(4, "c")}, false},
		"seen twice":           {map[string]int64{"a": 2}, []client.Message{message(3, "b"), message(3, "b"), message(4, "c")}, false},
		"in another order":     {map[string]int64{"a": 2}, []client.Message{message(4, "c"), message(3, "b")}, false},
		"one's own as another": {map[string]int64{"a": 2}, []client.Message{message(2, "a"), message(3, "b"), message(4, "c")}, false},
		"another text":         {map[string]int64{"a": 2}, []client.Message{message(3, "x"), message(4, "c")}, false},
	} {
		who := &talker{name: "u", acked: c.acked, saw: c.saw}
		require.Equal(t, c.holds, who.holds(log) == nil, name)
	}
	slow := &rollingReport{command: &rollingCommand{}, steps: []rolled{{Away: 3.1}, {killed: true, Away: 9}}}
	require.ErrorContains(t, slow.broken(), "node 0 drained: away")
	require.NotContains(t, slow.broken().Error(), "killed")
}
