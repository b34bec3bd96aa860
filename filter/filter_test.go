package filter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func list(t testing.TB, words ...string) *Words {
	t.Helper()
	w, err := New(words)
	require.NoError(t, err)
	return w
}

func TestMask(t *testing.T) {
	w := list(t, "damn", "Bad Word", "笨蛋", "傻瓜蛋", "傻瓜", "Straße", "ガギ", "σας", "ass", "c++", "café", "10086", "씨발", "İstifa", "effigy")
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"nothing here, 没有", "nothing here, 没有"},
		{"damn", "****"},
		{"well, DaMn!", "well, ****!"},
		{"goddamn damnation adamn7", "goddamn damnation adamn7"}, // parts of longer words
		{"damn-it damn_it", "****-it ****_it"},
		{"你这个笨蛋吗", "你这个**吗"}, // no gaps between words here
		{"abc笨蛋def", "abc**def"},
		{"傻瓜蛋傻瓜", "*****"}, // the longest, and the next
		{"傻 瓜", "傻 瓜"},
		{"ｄａｍｎ！", "****！"},       // full width
		{"a ｶﾞｷﾞ b", "a **** b"}, // half width, two characters each
		{"𝐝𝐚𝐦𝐧 ⓓⓐⓜⓝ", "**** ****"},
		{"d\u200ba\u200dm\u00adn\ufeff ok\u200b", "****\ufeff ok\u200b"}, // zero width; that outside stays
		{"笨\u200b蛋", "**"},
		{"d\u0336a\u0336m\u0336n\u0336", "****"}, // struck through
		{"bad word, bad\u3000word, bad\u00a0word", "********, ********, ********"},
		{"bad  word", "bad  word"},
		{"STRASSE STRAßE ſtrasse", "******* ****** *******"},
		{"da\x00mn ass\u200b İ", "**** ***\u200b İ"},
		{"İSTİFA istifa i\u0307sti\u0307fa ısTıFA", "****** ****** ****** ******"},
		{"eﬃgy EFFIGY", "**** ******"},
		{"ΣΑΣ σασ", "*** ***"},
		{"class, ass.", "class, ***."},
		{"I like c++ and c", "I like *** and c"},
		{"cafe\u0301 café CAFÉ cafe", "**** **** **** cafe"},
		{"拨打10086吧, 110086", "拨打*****吧, 110086"},
		{"씨발아", "**아"},
		{"👨‍👩‍👧 ok \ufe0f", "👨‍👩‍👧 ok \ufe0f"},
		{"a\xff damn \xc3", "a\xff **** \xc3"},
	} {
		got, found := w.Mask(c.text)
		require.Equal(t, c.want, got, "%q", c.text)
		require.Equal(t, c.want != c.text, found, "%q", c.text)
	}
	// What covers a word in part leaves nothing of either.
	over, found := list(t, "甲乙丙", "丙丁", "乙").Mask("x甲乙丙丁y乙")
	require.True(t, found)
	require.Equal(t, "x****y*", over)
}

func TestRead(t *testing.T) {
	w, err := Read(strings.NewReader("\ufeffdamn\r\n\n# hell\n  笨蛋  \nDAMN\n"))
	require.NoError(t, err)
	got, _ := w.Mask("damn hell 笨蛋")
	require.Equal(t, "**** hell **", got)
	for text, names := range map[string]string{"": "no words", "# only\n": "no words", "ok\n\xff\xfe\n": "line 2: not UTF-8",
		"ok\n" + strings.Repeat("x", MaxWord+1): "line 2: a word of more than", "\n\u200b\n": "line 2: a word without",
		"ok\n" + strings.Repeat("x", 1<<17): "line 2: a word of more than"} {
		_, err := Read(strings.NewReader(text))
		require.ErrorContains(t, err, names, "%.20q", text)
	}
	many := make([]string, MaxWords+1)
	for i := range many {
		many[i] = fmt.Sprint("w", i)
	}
	_, err = New(many)
	require.ErrorContains(t, err, "more than")
}

// Against plain words: a character is blanked where, and only where, a word covers it.
func TestMaskAgainstAPlainSearch(t *testing.T) {
	letters := rapid.SampledFrom([]rune("甲乙丙丁"))
	rapid.Check(t, func(r *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOfN(letters, 1, 5, -1), 1, 12).Draw(r, "words")
		text := []rune(rapid.StringOfN(letters, 0, 40, -1).Draw(r, "text"))
		want := slices.Clone(text)
		for _, w := range words {
			for i := range text {
				if strings.HasPrefix(string(text[i:]), w) {
					for j := range utf8.RuneCountInString(w) {
						want[i+j] = '*'
					}
				}
			}
		}
		got, found := list(t, words...).Mask(string(text))
		require.Equal(r, string(want), got)
		require.Equal(r, string(want) != string(text), found)
	})
}

// Whatever the text: the result is valid UTF-8 where that was, never longer, has no
// listed word any more, and what is not covered stays, byte for byte.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"damn", "笨蛋 ｄａｍｎ", "d\u200bamn", "ﬁ ﷺ", "\u1100\u1161\u11a8", "e\u0301\u0327 ẛ̣", "\xff\xc3(", "c\u0338at cat\u034f"} {
		f.Add(s)
	}
	w := list(f, "damn", "笨蛋", "傻", "fi", "e", "각", "cat", "صلى", "é", "ñ", "한")
	f.Fuzz(func(t *testing.T, text string) {
		got, found := w.Mask(text)
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q became %q", text, got)
		}
		if len(got) > len(text) {
			t.Fatalf("%q grew to %q", text, got)
		}
		if !found && got != text {
			t.Fatalf("%q was touched: %q", text, got)
		}
		if again, more := w.Mask(got); found && more {
			t.Fatalf("%q became %q, and again %q", text, got, again)
		}
		if found {
			untouched(t, text, got)
		}
	})
}

// untouched fails unless got is the text with some pieces replaced by stars.
func untouched(t *testing.T, text, got string) {
	t.Helper()
	rest := text
	for i, piece := range strings.FieldsFunc(got, func(r rune) bool { return r == '*' }) {
		at := strings.Index(rest, piece)
		if at < 0 || i == 0 && got[0] != '*' && at != 0 {
			t.Fatalf("%q became %q: %q is not of it", text, got, piece)
		}
		rest = rest[at+len(piece):]
	}
}

// benchWords are 10,000, half of them Chinese.
func benchWords() []string {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 10_000)
	for i := range words {
		words[i] = benchWord(r, i%2 == 0)
	}
	return words
}

func benchWord(r *rand.Rand, han bool) string {
	var b strings.Builder
	if han {
		for range 2 + r.IntN(4) {
			b.WriteRune(rune(0x4e00 + r.IntN(3000)))
		}
		return b.String()
	}
	for range 4 + r.IntN(8) {
		b.WriteByte(byte('a' + r.IntN(26)))
	}
	return b.String()
}

func BenchmarkMask(b *testing.B) {
	words := benchWords()
	w := list(b, words...)
	r := rand.New(rand.NewPCG(3, 4))
	text := func(size int, han func(i int) bool, hit bool) string {
		var t strings.Builder
		for i := 0; t.Len() < size; i++ {
			if hit && i%20 == 0 {
				t.WriteString(words[r.IntN(len(words))])
			} else {
				t.WriteString(benchWord(r, han(i)))
			}
			t.WriteByte(' ')
		}
		return t.String()[:size]
	}
	english, chinese := func(int) bool { return false }, func(int) bool { return true }
	for name, text := range map[string]string{"english": text(1024, english, false), "chinese": text(1024, chinese, false),
		"mixed with words":    text(1024, func(i int) bool { return i%2 == 0 }, true),
		"chinese with commas": strings.ReplaceAll(text(1024, chinese, false), " ", "，")[:1020],
		"full width":          strings.Repeat("ｄａｍ ", 103)[:1024]} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w.Mask(text)
			}
		})
	}
}
