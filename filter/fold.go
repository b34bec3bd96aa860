package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"bellhop/internal/fold"
)

// text is a folded text (see package fold) in which, besides, letters are without
// decorations, and there are no control characters.
type text struct{ fold.Text }

func folded(s string) string {
	var t text
	t.of(s)
	return string(t.Bytes)
}

func (t *text) of(s string) {
	t.Of(s)
	if t.Rich || strings.ContainsFunc(s, control) {
		t.strip()
	}
}

func control(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

// strip takes out control characters, and marks on plain letters, which are struck
// through or otherwise decorated: of real accents folding has made one letter.
func (t *text) strip() {
	n := 0
	for i := 0; i < len(t.Bytes); {
		r, size := utf8.DecodeRune(t.Bytes[i:])
		switch {
		case control(r):
		case n > 0 && plain(t.Bytes[n-1]) && unicode.In(r, unicode.Mn, unicode.Me):
			t.To[n-1] = t.To[i]
		default:
			copy(t.Bytes[n:], t.Bytes[i:i+size])
			copy(t.From[n:], t.From[i:i+size])
			copy(t.To[n:], t.To[i:i+size])
			n += size
		}
		i += size
	}
	t.Bytes, t.From, t.To = t.Bytes[:n], t.From[:n], t.To[:n]
}

// whole tells whether the piece of the folded text is a word and no part of a
// longer one, where words are written apart: "ass" is not in "class".
func (t *text) whole(from, to int) bool {
	before, _ := utf8.DecodeLastRune(t.Bytes[:from])
	first, _ := utf8.DecodeRune(t.Bytes[from:])
	last, _ := utf8.DecodeLastRune(t.Bytes[:to])
	after, _ := utf8.DecodeRune(t.Bytes[to:])
	return !(from > 0 && apart(before) && apart(first)) && !(to < len(t.Bytes) && apart(last) && apart(after))
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

// ideograph spares most Chinese, Japanese and Korean a look into tables.
func ideograph(r rune) bool { return 0x3041 <= r && r <= 0x9fff || 0xac00 <= r && r <= 0xd7a3 }

func plain(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
