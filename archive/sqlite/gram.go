package sqlite

import "strings"

// Texts are indexed by grams: at each of its characters a text has one, of the
// two characters from there where the first is one of those that are words by
// themselves, as Chinese ones are, and of three elsewhere. At a text's end they
// are shorter. So a word of two Chinese characters, which most are, is one look-up,
// and three letters of any other script are.
//
// A text that has all of a word's grams need not have the word, so who searches
// looks at the text again.

const ideographs = 0x2e80 // from here on

// maxGrams is how many grams of a query are looked up at most: with that many
// there is hardly anything left to sort out.
const maxGrams = 16

func span(first rune) int {
	if first >= ideographs {
		return 2
	}
	return 3
}

// grams gives the grams of a folded text, separated by spaces.
func grams(text string) string {
	var b strings.Builder
	b.Grow(3 * len(text))
	runes := []rune(text)
	for i := range runes {
		writeGram(&b, runes[i:min(i+span(runes[i]), len(runes))])
		b.WriteByte(' ')
	}
	return b.String()
}

// writeGram writes a gram as one token: to the tokenizer ASCII letters and
// digits are part of one, and so is everything beyond ASCII. The rest moves to
// where Unicode has nothing.
func writeGram(b *strings.Builder, gram []rune) {
	for _, r := range gram {
		if r < 0x80 && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			r += 0xe000
		}
		b.WriteRune(r)
	}
}

// match gives the full-text query that finds all texts with these words, and
// whether it is a slow one. It looks for words' beginnings only where no word
// is long enough for a gram.
func match(words []string) (query string, slow bool) {
	var whole, parts []string
	for _, w := range words {
		runes := []rune(w)
		if len(runes) > 0 && len(runes) < span(runes[0]) {
			parts = append(parts, quote(runes)+" *")
		}
		for i := range runes {
			if end := i + span(runes[i]); end <= len(runes) {
				whole = append(whole, quote(runes[i:end]))
			}
		}
	}
	slow = len(whole) == 0
	if slow {
		whole = parts
	}
	return strings.Join(whole[:min(len(whole), maxGrams)], " "), slow
}

// matchOld is match for what is not indexed again yet: texts that had the words
// when they were folded as they are now, and those that had the old words then.
func matchOld(words, old []string) string {
	query, _ := match(words)
	if other, _ := match(old); other != "" && other != query {
		return "(" + query + ") OR (" + other + ")"
	}
	return query
}

func quote(gram []rune) string {
	var b strings.Builder
	b.WriteByte('"')
	writeGram(&b, gram)
	b.WriteByte('"')
	return b.String()
}
