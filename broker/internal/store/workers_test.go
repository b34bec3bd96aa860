package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two nodes look after each partition, evenly; a node that comes or goes changes only what is its own.
func TestWorkers(t *testing.T) {
	const partitions = 256
	nodes := map[string]string{}
	require.Empty(t, Workers(0, nodes))
	for i := range 8 {
		nodes[fmt.Sprint("node ", i)] = "ah"
	}
	of := func() (out [][]string, by map[string]int) {
		by = map[string]int{}
		for i := range partitions {
			w := Workers(i, nodes)
			require.Len(t, w, 2)
			require.NotEqual(t, w[0], w[1])
			for _, node := range w {
				by[node]++
			}
			out = append(out, w)
		}
		return out, by
	}
	before, by := of()
	for node, n := range by {
		require.InDelta(t, partitions*2/8, n, 25, node)
	}
	delete(nodes, "node 3")
	after, _ := of()
	for i := range partitions {
		for _, node := range before[i] {
			require.True(t, node == "node 3" || slices.Contains(after[i], node), "partition %d: %v, then %v", i, before[i], after[i])
		}
	}
	nodes["node 3"] = "ah"
	again, _ := of()
	require.Equal(t, before, again)
}

// Whatever any node does, a worker of each partition does.
func TestWorkersDoAllThatIsDone(t *testing.T) {
	for _, c := range []struct {
		nodes map[string]string
		most  int
	}{
		{map[string]string{"a": ""}, 1},
		{map[string]string{"a": "", "b": "", "c": "a"}, 2},
		{map[string]string{"a": "h", "b": "h", "c": "h", "d": "a"}, 3},
		{map[string]string{"a": "ah", "b": "ah", "c": "", "d": "h"}, 2},
	} {
		for i := range 64 {
			done := ""
			w := Workers(i, c.nodes)
			for _, node := range w {
				done += c.nodes[node]
			}
			require.LessOrEqual(t, len(w), c.most)
			for _, does := range c.nodes {
				for _, letter := range does {
					require.Contains(t, done, string(letter), "partition %d of %v: %v", i, c.nodes, w)
				}
			}
		}
	}
}
