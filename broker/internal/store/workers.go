package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// workersEach is how many nodes look after a partition at a time: with two, nothing
// is late because one of them has died.
const workersEach = 2

// Workers are the nodes that look after a partition, of those that are there. Of each is told
// what it does that not every node does, a letter each. All nodes that know of the same others
// choose the same ones, and a node that comes or goes changes no more than it must (rendezvous
// hashing). Those that do more are preferred; whatever any node does, some worker does.
func Workers(partition int, nodes map[string]string) []string {
	type ranked struct {
		node, does string
		weight     uint64
	}
	all, wanted := make([]ranked, 0, len(nodes)), ""
	for node, does := range nodes {
		all = append(all, ranked{node, does, xxhash.Sum64String(strconv.Itoa(partition) + "|" + node)})
		wanted += does
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(len(b.does), len(a.does)), cmp.Compare(b.weight, a.weight), cmp.Compare(a.node, b.node))
	})
	var out []string
	done := ""
	for _, n := range all {
		if len(out) < workersEach || strings.Trim(n.does, done) != "" {
			out, done = append(out, n.node), done+n.does
		}
		if len(out) >= workersEach && strings.Trim(wanted, done) == "" {
			break
		}
	}
	return out
}
