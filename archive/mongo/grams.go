package mongo

import (
	"iter"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	// maxGrams is how many a message carries. One with more (no text that the
	// broker takes has) carries anyGram alone and is looked at in each search.
	maxGrams = 20_000
	anyGram  = ""
	// maxLookups is how many of its grams a search looks up; what these find
	// is looked at again anyway.
	maxLookups = 12
)

// ideographs begin here: two of them say as much as three letters of any other script.
const ideographs = 0x2e80

// grams are the pieces of a folded text, each once: one from each letter on,
// of two or three, shorter only where the text ends.
func grams(folded string) []string {
	var out []string
	seen := make(map[string]bool)
	for gram := range pieces(folded) {
		if seen[gram] {
			continue
		}
		if len(out) == maxGrams {
			return []string{anyGram}
		}
		seen[gram] = true
		out = append(out, gram)
	}
	return out
}

// pieces are the grams of a text, and whether each is whole. None begins with
// a space: words hardly have these. None has a NUL, before which a text ends as
// it were: no pattern can have one, and what stores in PostgreSQL has none.
func pieces(s string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for len(s) > 0 {
			first, size := utf8.DecodeRuneInString(s)
			span := 3
			if first >= ideographs {
				span = 2
			}
			end, n := 0, 0
			for ; n < span && end < len(s); n++ {
				_, next := utf8.DecodeRuneInString(s[end:])
				end += next
			}
			if nul := strings.IndexByte(s[:end], 0); nul >= 0 {
				end, n = nul, 0
			}
			if end > 0 && !unicode.IsSpace(first) && !yield(s[:end], n == span) {
				return
			}
			s = s[size:]
		}
	}
}

// lookups are conditions that hold for every message whose text has all the
// folded words, and for few others.
func lookups(words []string) []bson.D {
	var all []bson.D
	seen := make(map[any]bool)
	add := func(gram any) {
		if !seen[gram] {
			seen[gram] = true
			// $in rather than $or: the index gives either in the list's order.
			all = append(all, bson.D{{Key: "grams", Value: bson.D{{Key: "$in", Value: bson.A{anyGram, gram}}}}})
		}
	}
	for _, w := range words {
		for gram, whole := range pieces(w) {
			if whole {
				add(gram)
			} else if gram == w {
				add(bson.Regex{Pattern: "^" + regexp.QuoteMeta(w)})
			}
		}
	}
	if n := len(all); n > maxLookups { // some of everywhere
		for i := range maxLookups {
			all[i] = all[i*n/maxLookups]
		}
		all = all[:maxLookups]
	}
	return all
}
