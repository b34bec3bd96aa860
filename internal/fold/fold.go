// Package fold makes texts comparable as people compare them: whoever looks for
// "strasse" or "123" means "Straße" and "１２３", too. It is Unicode's NFKC_Casefold:
// cases and compatibility forms (full and half width, ligatures, accents composed
// and decomposed) are one, and characters that cannot be seen are left out. Besides,
// a small i is one letter with its dot and without, as Turkish tells them apart.
package fold

import (
	"bytes"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Text is a folded text that knows where each of its bytes comes from. The zero
// value is ready; it may be used again and again, by one caller at a time.
type Text struct {
	Bytes []byte // good until the next use
	// From and To are, for each byte, the piece of the original that it comes
	// from, in bytes: a letter with its accents, a ligature.
	From, To []int32
	// Rich tells whether there was more than characters replaced one by one.
	Rich bool

	whole   bool // without From and To
	visible []byte
	places  []int32 // in the original, of the bytes of visible
	apart   []byte  // decomposed
	cases   []byte
}

// Of folds a text.
func (t *Text) Of(s string) {
	t.Bytes, t.From, t.To, t.Rich = t.Bytes[:0], t.From[:0], t.To[:0], false
	for i := 0; i < len(s); {
		end := i + runeLen(s[i:])
		r, _ := utf8.DecodeRuneInString(s[i:])
		if c, ok := simple(r); ok && begins(s[end:]) {
			t.Bytes = utf8.AppendRune(t.Bytes, c)
			t.from(i, end)
			i = end
			continue
		}
		for !begins(s[end:]) {
			end += runeLen(s[end:])
		}
		t.normalize(s[i:end], i)
		i = end
	}
}

var folders = sync.Pool{New: func() any { return &Text{whole: true} }}

// String folds a text.
func String(s string) string {
	if folded(s) {
		return s
	}
	t := folders.Get().(*Text) //nolint:forcetypeassert // only these are put in
	defer folders.Put(t)
	t.Of(s)
	return string(t.Bytes)
}

// folded tells of most texts that are as folding leaves them that they are.
func folded(s string) bool {
	for _, r := range s {
		if c, ok := simple(r); !ok || c != r {
			return false
		}
	}
	return true
}

// from notes where the bytes that are new come from.
func (t *Text) from(from, to int) {
	for !t.whole && len(t.From) < len(t.Bytes) {
		t.From, t.To = append(t.From, int32(from)), append(t.To, int32(to)) //nolint:gosec // texts are short
	}
}

// normalize folds a stretch of a text, which begins at `at`, by the tables.
func (t *Text) normalize(s string, at int) {
	t.Rich = true
	t.see(s)
	if t.whole {
		t.fold(t.visible)
		return
	}
	for i := 0; i < len(t.visible); {
		end := i + max(1, norm.NFKC.NextBoundary(t.visible[i:], true))
		t.fold(t.visible[i:end])
		t.from(at+int(t.places[i]), at+int(t.places[end-1])+1)
		i = end
	}
}

// see leaves out what cannot be seen: an accent may stand behind it.
func (t *Text) see(s string) {
	t.visible, t.places = t.visible[:0], t.places[:0]
	for i, r := range s {
		if Ignorable(r) {
			continue
		}
		for k := i; k < i+runeLen(s[i:]); k++ {
			t.visible, t.places = append(t.visible, s[k]), append(t.places, int32(k)) //nolint:gosec // texts are short
		}
	}
}

var caser = cases.Fold() // keeps nothing between calls

// fold appends what it makes of s. Once all is decomposed no compatibility form
// hides a case, and no case a form.
func (t *Text) fold(s []byte) {
	if norm.NFKC.QuickSpan(s) == len(s) && caseless(s) {
		t.Bytes = append(t.Bytes, s...)
		return
	}
	t.apart = norm.NFKD.Append(t.apart[:0], s...)
	if n := 3*len(t.apart) + utf8.UTFMax; len(t.cases) < n { // a letter becomes three at most
		t.cases = make([]byte, n)
	}
	n, _, err := caser.Transform(t.cases, t.apart, true)
	if err != nil {
		panic(err) // there is room
	}
	c := t.cases[:n]
	if bytes.IndexFunc(c, cherokee) >= 0 { // x/text swaps its cases
		c = bytes.Map(upperCherokee, c)
	}
	if bytes.Contains(c, dotless) {
		c = bytes.ReplaceAll(c, dotless, letter)
	}
	for bytes.Contains(c, dotted) {
		c = bytes.ReplaceAll(c, dotted, letter)
	}
	t.Bytes = norm.NFKC.Append(t.Bytes, c...)
}

var letter, dotted, dotless = []byte("i"), []byte("i\u0307"), []byte("ı")

// caseless tells whether no character of s has cases. Of the marks one becomes a letter.
func caseless(s []byte) bool {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) || r == '\u0345' {
			return false
		}
		s = s[n:]
	}
	return true
}

func cherokee(r rune) bool { return unicode.Is(unicode.Cherokee, r) }

func upperCherokee(r rune) rune {
	if cherokee(r) {
		return unicode.ToUpper(r)
	}
	return r
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// begins tells whether a text is empty or certainly combines with nothing before it.
func begins(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	_, ok := simple(r)
	return n == 0 || ok
}

// simple folds the characters, most of all, that are replaced one by one unless a
// mark follows.
func simple(r rune) (rune, bool) {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r, true
	case 0x4e00 <= r && r <= 0x9fff, 0x3400 <= r && r <= 0x4dbf, 0x3001 <= r && r <= 0x3029, // Chinese
		0x3041 <= r && r <= 0x3096, 0x30a1 <= r && r <= 0x30fa, 0xac00 <= r && r <= 0xd7a3, // Japanese, Korean
		0xe0 <= r && r <= 0xff, 0x430 <= r && r <= 0x44f: // small Latin, Russian
		return r, true
	case 0xff01 <= r && r <= 0xff5e: // the full-width forms of ASCII
		return simple(r - 0xfee0)
	case 0xc0 <= r && r <= 0xde && r != 0xd7, 0x410 <= r && r <= 0x42f:
		return r + 0x20, true
	}
	return r, false
}

// Ignorable characters cannot be seen: zero-width ones, soft hyphens, marks of
// direction, selectors of a variant.
func Ignorable(r rune) bool {
	return r >= 0xad && unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
