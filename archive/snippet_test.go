package archive_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/archive"
	"bellhop/internal/fold/foldtest"
)

func TestSnippetsShowTheTextAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, query, want string }{
		{"Die Straße 12", "STRASSE", "Die [Straße] 12"},
		{"Die Straße 12", "ras", "Die St[raß]e 12"},
		{"订单ＳＦ１２３已发货", "sf123", "订单[ＳＦ１２３]已发货"},
		{"un cafe\u0301 noir", "café", "un [cafe\u0301] noir"},
		{"an oﬃce", "off", "an [oﬃ]ce"},
		{"x ｶﾞｷﾞ y", "ガ", "x [ｶﾞ]ｷﾞ y"},
		{"\u200bre\u200bfund\u200b", "refund", "\u200b[re\u200bfund]\u200b"},
		{"İSTANBUL istanbul", "istanbul", "[İSTANBUL] [istanbul]"},
		{"退款 和 Refund", "refund 退款", "[退款] 和 [Refund]"},
		{"aaaa", "aa", "[aaaa]"},
	} {
		var b strings.Builder
		for _, p := range archive.Snippet(c.text, archive.Words(c.query)) {
			if p.Hit {
				p.Text = "[" + p.Text + "]"
			}
			b.WriteString(p.Text)
		}
		require.Equal(t, c.want, b.String())
	}
	long := strings.Repeat("前", 50) + "ｅ\u0301" + strings.Repeat("后", 200)
	parts := archive.Snippet(long, archive.Words("é"))
	require.Equal(t, []archive.Part{{Text: "…"}, {Text: strings.Repeat("前", 20)}, {Text: "ｅ\u0301", Hit: true}, {Text: strings.Repeat("后", 98)}, {Text: "…"}}, parts)
}

// Whatever the text: its parts are the text, each word is in what is hit, and none is outside.
func TestSnippetsAgainstTheSlowWay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, query := foldtest.Texts(20).Draw(t, "text"), ""
		if runes := []rune(text); len(runes) > 0 {
			from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
			part := string(runes[from:min(len(runes), from+rapid.IntRange(1, 6).Draw(t, "n"))])
			query = foldtest.Forms(part).Draw(t, "query")
		}
		words := archive.Words(query)
		require.Equal(t, words, archive.Words(foldtest.Slow(query)))
		whole, hits := "", []string{}
		for _, p := range archive.Snippet(text, words) {
			whole += p.Text
			if p.Hit {
				hits = append(hits, foldtest.Slow(p.Text))
				continue
			}
			for _, w := range words {
				require.NotContains(t, foldtest.Slow(p.Text), w)
			}
		}
		require.Equal(t, text, whole)
		for _, w := range words {
			hit := slices.ContainsFunc(hits, func(h string) bool { return strings.Contains(h, w) })
			require.Equal(t, strings.Contains(foldtest.Slow(text), w), hit, "%+q", w)
		}
	})
}
