package fold_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/internal/fold"
	"bellhop/internal/fold/foldtest"
)

// Every character, alone and beside a mark, a letter and what cannot be seen.
func TestEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := range rune(unicode.MaxRune + 1) {
		switch {
		case !utf8.ValidRune(r), r > 0xe0fff, 0x30000 <= r && r < 0xe0000, 0x20000 <= r && r < 0x2f800:
			continue
		case (0x3400 <= r && r < 0xa000 || 0xac00 <= r && r < 0xd7a4) && r%37 > 0: // all alike
			continue
		}
		for _, around := range []string{"|", "a|", "|\u0301", "|\u0307x", "か|\u3099", "i\u200b|", "가|", "|가"} {
			s := strings.Replace(around, "|", string(r), 1)
			if got := fold.String(s); got != foldtest.Slow(s) {
				t.Fatalf("%+q: %+q, not %+q", s, got, foldtest.Slow(s))
			}
		}
	}
}

func TestWhatPeopleTakeForTheSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"123", "１２３", "①②③", "𝟏𝟐𝟑", "¹²³", "1\u200b2\u200d3\ufeff"},
		{"straße", "STRASSE", "Strasse", "STRAẞE", "ｓｔｒａßｅ", "stra\u00adße"},
		{"café", "cafe\u0301", "CAFÉ", "CAFE\u0301", "cafe\u200b\u0301"},
		{"office ﬁlter", "oﬃce filter", "OFFICE FILTER"},
		{"ガギグ", "ｶﾞｷﾞｸﾞ", "カ\u3099キ\u3099ク\u3099"},
		{"istanbul", "İstanbul", "ISTANBUL", "i\u0307stanbul", "ıstanbul"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ", "ΣΙ\u0301ΣΥΦΟΣ"},
		{"한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "하\u11ab국"},
		{"a b", "a\u3000b", "a\u00a0b", "a\u2009b"},
		{"株式会社", "㍿"}, {"⼀", "一"}, {"❤", "❤\ufe0f"}, {"ﷺ", "صلى الله عليه وسلم"}, {"kå", "Kå", "ka\u030a"}, {"ꭰꮳ", "ᎠᏣ", "ꭰᏣ"}, {"Ǆ", "ǆ", "dž"},
	} {
		for _, s := range same {
			require.Equal(t, fold.String(same[0]), fold.String(s), "%+q", s)
		}
	}
	for _, other := range [][2]string{{"cafe", "café"}, {"は", "ば"}, {"o", "ø"}, {"l", "ł"}, {"一", "二"}} {
		require.NotEqual(t, fold.String(other[0]), fold.String(other[1]))
	}
}

func TestAgainstTheSlowWay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := foldtest.Texts(20).Draw(t, "text")
		f := fold.String(s)
		require.Equal(t, foldtest.Slow(s), f)
		require.Equal(t, f, fold.String(f), "once is enough")
		require.Equal(t, f, fold.String(foldtest.Forms(s).Draw(t, "another form")))
		var m fold.Text
		m.Of(s)
		require.Equal(t, f, string(m.Bytes), "with places")
		require.Len(t, m.From, len(m.Bytes))
		require.Len(t, m.To, len(m.Bytes))
		// A text's pieces fold apart as they do together, in order, and lie on characters' borders.
		end := int32(0)
		for i := 0; i < len(f); {
			from, to, k := m.From[i], m.To[i], i
			for k < len(f) && m.From[k] == from {
				require.Equal(t, to, m.To[k])
				k++
			}
			require.LessOrEqual(t, end, from)
			require.Less(t, from, to)
			require.True(t, utf8.RuneStart(s[from]) && (int(to) == len(s) || utf8.RuneStart(s[to])))
			require.Equal(t, f[i:k], fold.String(s[from:to]))
			i, end = k, to
		}
	})
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{
		"chinese": strings.Repeat("我的订单还没有发货，请问退款什么时候到账 ", 2), "english": strings.Repeat("Please refund my order 123. ", 2),
		"folded": strings.Repeat("refund 退款 ", 5), "thai": strings.Repeat("ขอคืนเงินได้ไหม ", 3), "german": strings.Repeat("Große Straße in Köln. ", 2),
		"emoji": strings.Repeat("ok 👍🏽 …", 5), "turkish": strings.Repeat("İstanbul'da kırık ", 3),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				fold.String(s)
			}
		})
	}
}
