package filter

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold is a text without what does not matter when words are compared: case,
// width and other compatibility forms (NFKC), and characters that cannot be
// seen. It knows where each of its bytes comes from.
type fold struct {
	text     []byte
	from, to []int32 // for each byte: the piece of the original that it comes from
	piece    []byte
}

func folded(text string) string {
	var f fold
	f.of(text)
	return string(f.text)
}

// of folds a text. What is simple, and in front of what is, needs no look into
// tables; the rest is normalized.
func (f *fold) of(text string) {
	f.text, f.from, f.to = f.text[:0], f.from[:0], f.to[:0]
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if c, ok := simple(r); ok && begins(text[i+n:]) {
			f.put(c, i, i+n)
			i += n
			continue
		}
		end := i + n
		for end < len(text) && !begins(text[end:]) {
			_, n = utf8.DecodeRuneInString(text[end:])
			end += n
		}
		f.normal(text[i:end], i)
		i = end
	}
}

// simple folds those characters, most of all, that NFKC leaves alone or replaces
// one by one, unless a mark follows.
func simple(r rune) (rune, bool) {
	switch {
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A', true
	case r < utf8.RuneSelf:
		return r, true
	case 0x3001 <= r && r <= 0x3029, 0x3400 <= r && r <= 0x4dbf, 0x4e00 <= r && r <= 0x9fff:
		return r, true
	case 0xff01 <= r && r <= 0xff5e: // the full-width forms of ASCII
		return simple(r - 0xfee0)
	}
	return r, false
}

// begins tells whether nothing in the text combines with what comes before it.
func begins(text string) bool {
	if text == "" || text[0] < utf8.RuneSelf {
		return true
	}
	r, _ := utf8.DecodeRuneInString(text)
	_, ok := simple(r)
	return ok
}

// normal folds what must be normalized, piece by piece.
func (f *fold) normal(text string, at int) {
	for i := 0; i < len(text); {
		n := max(1, norm.NFKC.NextBoundaryInString(text[i:], true))
		f.piece = norm.NFKC.AppendString(f.piece[:0], text[i:i+n])
		for piece := f.piece; len(piece) > 0; {
			r, size := utf8.DecodeRune(piece)
			f.add(r, at+i, at+i+n)
			piece = piece[size:]
		}
		i += n
	}
}

func (f *fold) add(r rune, from, to int) {
	if ignorable(r) {
		return
	}
	n := len(f.text)
	if n > 0 && plain(f.text[n-1]) && unicode.In(r, unicode.Mn, unicode.Me) {
		f.to[n-1] = int32(to) //nolint:gosec // texts are short
		return                // struck through, or otherwise decorated: NFKC has made one letter of real accents
	}
	f.put(lower(r), from, to)
}

func (f *fold) put(r rune, from, to int) {
	if r < utf8.RuneSelf {
		if r >= ' ' && r != 0x7f || r == '\n' || r == '\r' || r == '\t' {
			f.text, f.from, f.to = append(f.text, byte(r)), append(f.from, int32(from)), append(f.to, int32(to)) //nolint:gosec // texts are short
		}
		return
	}
	n := len(f.text)
	f.text = utf8.AppendRune(f.text, r)
	for range len(f.text) - n {
		f.from, f.to = append(f.from, int32(from)), append(f.to, int32(to)) //nolint:gosec // texts are short
	}
}

// lower makes the cases of a letter one: Σ, σ and ς, too.
func lower(r rune) rune {
	if ideograph(r) {
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// ideograph spares most Chinese, Japanese and Korean a look into tables.
func ideograph(r rune) bool { return 0x3041 <= r && r <= 0x9fff || 0xac00 <= r && r <= 0xd7a3 }

// ignorable characters cannot be seen: zero-width ones, soft hyphens, marks of
// direction, selectors of a variant, control characters.
func ignorable(r rune) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return false
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case 0x3041 <= r && r <= 0x3163, 0x3165 <= r && r <= 0x9fff, 0xac00 <= r && r <= 0xd7a3:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// whole tells whether the piece of the folded text is a word and no part of a
// longer one, where words are written apart: "ass" is not in "class".
func (f *fold) whole(from, to int) bool {
	before, _ := utf8.DecodeLastRune(f.text[:from])
	first, _ := utf8.DecodeRune(f.text[from:])
	last, _ := utf8.DecodeLastRune(f.text[:to])
	after, _ := utf8.DecodeRune(f.text[to:])
	return !(from > 0 && apart(before) && apart(first)) && !(to < len(f.text) && apart(last) && apart(after))
}

// apart tells whether the character is of a script that puts something between words.
func apart(r rune) bool {
	if r < utf8.RuneSelf {
		return plain(byte(r)) //nolint:gosec // it is ASCII
	}
	if ideograph(r) {
		return false
	}
	return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) && !unicode.In(r, unicode.Han, unicode.Hiragana,
		unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func plain(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
