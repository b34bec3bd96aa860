package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
