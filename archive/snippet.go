package archive

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Part is a piece of a text; Hit where it is one of the words searched for.
type Part struct {
	Text string `json:"text"`
	Hit  bool   `json:"hit,omitempty"`
}

const (
	snippetBefore = 20  // runes shown before the first hit
	snippetLength = 120 // runes shown in all
)

// Snippet is the part of a text around the first place where one of some
// folded words is, with all hits in it.
func Snippet(text string, words []string) []Part {
	runes, folded := []rune(text), []rune(Fold(text))
	hit := hits(folded, words)
	first := max(0, slices.Index(hit, true))
	from := max(0, first-snippetBefore)
	to := min(len(runes), from+snippetLength)
	var out []Part
	for i := from; i < to; {
		j := i
		for j < to && hit[j] == hit[i] {
			j++
		}
		out = append(out, Part{string(runes[i:j]), hit[i]})
		i = j
	}
	if from > 0 {
		out = append([]Part{{Text: "…"}}, out...)
	}
	if to < len(runes) {
		out = append(out, Part{Text: "…"})
	}
	return out
}

// hits tells which runes are part of a word.
func hits(folded []rune, words []string) []bool {
	hit := make([]bool, len(folded))
	text := string(folded)
	for _, w := range words {
		n := utf8.RuneCountInString(w)
		for at, seen := 0, 0; ; {
			i := strings.Index(text[at:], w)
			if i < 0 || w == "" {
				break
			}
			seen += utf8.RuneCountInString(text[at : at+i])
			for k := seen; k < seen+n; k++ {
				hit[k] = true
			}
			_, size := utf8.DecodeRuneInString(text[at+i:])
			at, seen = at+i+size, seen+1
		}
	}
	return hit
}
