package filter

import (
	"bytes"
	"slices"
)

// automaton is an Aho–Corasick automaton over bytes: it finds all occurrences of
// all words in one pass. Its states are numbered breadth first, so that the
// children of one follow each other and an edge's number, plus one, is the state it
// leads to: it takes about 15 bytes for each byte of its words. (The libraries
// there are keep a table of all bytes for each state, which takes a hundred times
// that, or are not looked after any more.)
type automaton struct {
	root  [256]int32 // what the first byte of a word leads to; 0, the root, for others
	edges []int32    // state s has the edges edges[s] to edges[s+1]-1
	label []byte     // of each edge
	fail  []int32    // the longest end of what led to the state that begins a word, too
	size  []uint16   // of the word that ends here, in bytes; 0 for none
	also  []int32    // the next state, along fail, where a word ends; 0 for none
}

// newAutomaton takes words that are all different, none empty, of MaxWord bytes at
// most each, and sorts them.
func newAutomaton(words []string) *automaton {
	slices.Sort(words)
	a := &automaton{size: []uint16{0}}
	// The words that lead through a state are those from lo to hi-1.
	type state struct{ lo, hi, depth int }
	for level := []state{{0, len(words), 0}}; len(level) > 0; {
		var below []state
		for _, s := range level {
			a.edges = append(a.edges, int32(len(a.label))) //nolint:gosec // MaxWords*MaxWord at most
			lo := s.lo
			if len(words[lo]) == s.depth { // the shortest comes first
				lo++
			}
			for lo < s.hi {
				c, hi := words[lo][s.depth], lo+1
				for hi < s.hi && words[hi][s.depth] == c {
					hi++
				}
				size := 0
				if len(words[lo]) == s.depth+1 {
					size = len(words[lo])
				}
				a.label, a.size = append(a.label, c), append(a.size, uint16(size))
				below = append(below, state{lo, hi, s.depth + 1})
				lo = hi
			}
		}
		level = below
	}
	a.edges = append(a.edges, int32(len(a.label))) //nolint:gosec // as above
	a.link()
	return a
}

// link sets what is followed where no edge fits. A state's comes from its parent's,
// which is nearer to the root and has been set before.
func (a *automaton) link() {
	states := int32(len(a.size)) //nolint:gosec // as above
	a.fail, a.also = make([]int32, states), make([]int32, states)
	for e := range a.edges[1] {
		a.root[a.label[e]] = e + 1
	}
	for s := int32(1); s < states; s++ {
		for e := a.edges[s]; e < a.edges[s+1]; e++ {
			child, f := e+1, a.step(a.fail[s], a.label[e])
			a.fail[child], a.also[child] = f, f
			if a.size[f] == 0 {
				a.also[child] = a.also[f]
			}
		}
	}
}

// step is the state after one more byte.
func (a *automaton) step(s int32, c byte) int32 {
	for s != 0 {
		from := a.edges[s]
		if i := bytes.IndexByte(a.label[from:a.edges[s+1]], c); i >= 0 {
			return from + int32(i) + 1 //nolint:gosec // at most 255
		}
		s = a.fail[s]
	}
	return a.root[c]
}

// each calls found with where each occurrence of a word begins and ends, in the
// order of their ends; of those with the same end the longest first.
func (a *automaton) each(text []byte, found func(start, end int)) {
	s := int32(0)
	for i, c := range text {
		s = a.step(s, c)
		at := s
		if a.size[at] == 0 {
			at = a.also[at]
		}
		for ; at != 0; at = a.also[at] {
			found(i+1-int(a.size[at]), i+1)
		}
	}
}
