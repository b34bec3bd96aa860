// Package foldtest has what tests of folding need: the slow and obvious way, and
// texts of what is hard.
package foldtest

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"bellhop/internal/fold"
)

// Slow is what folding means, step by step, until nothing changes any more.
func Slow(s string) string {
	for {
		last := s
		s = strings.Map(func(r rune) rune {
			if fold.Ignorable(r) {
				return -1
			}
			return r
		}, s)
		s = cases.Fold().String(norm.NFKD.String(s))
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Cherokee, r) {
				return unicode.ToUpper(r)
			}
			return r
		}, s)
		s = strings.ReplaceAll(strings.ReplaceAll(s, "ı", "i"), "i\u0307", "i")
		if s = norm.NFKC.String(s); s == last {
			return s
		}
	}
}

// Texts draws texts, of at most so many characters, of marks, forms of all kinds, what
// cannot be seen, and anything else.
func Texts(most int) *rapid.Generator[string] {
	hard := rapid.SampledFrom([]rune("aiIıİjßẞſKéÉñ\u0301\u0307\u0323\u0308\u0345\u0328\u200b\u200d\u00ad\ufeff\ufe0f\u034f" +
		"\u3099ｶﾞﾊﾟｱガ１Ａａﬁﬃ㍿①½…Σσςΐᾳǅŉﷺ한\u1112\u1161\u11ab가각\u115f\u3164 \u3000\n退款🙂👨𝐀å\u212b\u0f71\u0f72\u0e33"))
	return rapid.StringOfN(rapid.OneOf(hard, hard, rapid.Rune()), 0, most, -1)
}

// Forms draws one of the ways to write a text that are the same to who searches.
func Forms(s string) *rapid.Generator[string] {
	runes := []rune(s)
	wide := strings.Map(func(r rune) rune {
		if '!' <= r && r <= '~' {
			return r + 0xfee0
		}
		return r
	}, s)
	hidden := s
	if len(runes) > 1 {
		hidden = string(runes[:len(runes)/2]) + "\u200b" + string(runes[len(runes)/2:])
	}
	return rapid.SampledFrom([]string{s, norm.NFC.String(s), norm.NFD.String(s), norm.NFKC.String(s), norm.NFKD.String(s), wide, hidden, Slow(s)})
}
