package archive

import (
	"slices"
	"strings"
	"unicode/utf8"

	"bellhop/internal/fold"
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
// folded words is, with all hits in it. It is the text as it was written: where a
// word is a part of a ligature, or of a letter and its accent, all of that is hit.
func Snippet(text string, words []string) []Part {
	runes, hit := []rune(text), hits(text, words)
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

// hits tells which runes of a text are part of a word.
func hits(text string, words []string) []bool {
	var f fold.Text
	f.Of(text)
	folded, marked := string(f.Bytes), make([]bool, len(text))
	for _, w := range words {
		for at := 0; w != ""; {
			i := strings.Index(folded[at:], w)
			if i < 0 {
				break
			}
			at += i
			for k := f.From[at]; k < f.To[at+len(w)-1]; k++ {
				marked[k] = true
			}
			_, size := utf8.DecodeRuneInString(folded[at:])
			at += size
		}
	}
	hit := make([]bool, 0, len(text))
	for i := range text {
		hit = append(hit, marked[i])
	}
	return hit
}
