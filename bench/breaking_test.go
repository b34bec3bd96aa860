package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/bench/faults"
)

// A minute of faults, and what comes after: no promise is broken. `make faults` takes longer, with other seeds.
func TestAMinuteOfFaults(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var out strings.Builder
	if ran, err := faults.Apart(ctx, &out, "-test.run=^"+t.Name()+"$", "-test.v"); ran {
		require.NoError(t, err, out.String())
		require.Contains(t, out.String(), "--- PASS: "+t.Name())
		return
	}
	bin, err := build(ctx)
	require.NoError(t, err)
	var said strings.Builder
	r, err := faults.Run(ctx, faults.Options{Seed: 1, For: time.Minute, Engine: "redis", Fsync: "always", Nodes: 2, Users: 8, Agents: 4, Intensity: 1.5,
		Binary: bin, Out: &said})
	if r != nil && (err != nil || len(r.Violations) > 0) {
		r.Write(os.Stdout)
	}
	require.NoError(t, err, said.String())
	require.Empty(t, r.Violations)
	require.Zero(t, r.Lost, "Redis may lose nothing here")
	require.Greater(t, r.Counts["messages acknowledged"], 50)
	require.Positive(t, r.Counts["grab: ok"])
	require.Positive(t, r.Linear)
	broken := 0
	for what, n := range r.Counts {
		if strings.HasPrefix(what, "fault: ") {
			broken += n
		}
	}
	require.Greater(t, broken, 5)
	require.Zero(t, r.Counts["fault not carried out to its end"])
}
