package handlers

import (
	"mime"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"bellhop/files"
)

// The name of a download is what it was, by the rules that browsers keep (RFC 6266, RFC 8187), and where
// they differ the plain form has nothing that one of them would read in its own way.
func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf":      `attachment; filename="report.pdf"`,
		"a b;c,d=e.txt":   `attachment; filename="a b;c,d=e.txt"`,
		`5" pipe.pdf`:     `attachment; filename="5_ pipe.pdf"; filename*=UTF-8''5%22%20pipe.pdf`,
		`back\slash.pdf`:  `attachment; filename="back_slash.pdf"; filename*=UTF-8''back%5Cslash.pdf`,
		"100%25.pdf":      `attachment; filename="100_25.pdf"; filename*=UTF-8''100%2525.pdf`,
		"订单 1.pdf":        `attachment; filename="__ 1.pdf"; filename*=UTF-8''%E8%AE%A2%E5%8D%95%201.pdf`,
		"🎉+’.zip":         `attachment; filename="_+_.zip"; filename*=UTF-8''%F0%9F%8E%89%2B%E2%80%99.zip`,
		"it's (1)*!.txt":  `attachment; filename="it's (1)*!.txt"`,
		"é'(1)*!:@$&.txt": `attachment; filename="_'(1)*!:@$&.txt"; filename*=UTF-8''%C3%A9%27%281%29%2A%21%3A%40%24%26.txt`,
	} {
		require.Equal(t, want, disposition(&files.File{Name: name, Mime: "application/zip"}), name)
	}
	require.Equal(t, `inline; filename="x.png"`, disposition(&files.File{Name: "x.png", Mime: "image/png"}))
	require.Equal(t, `inline; filename="_.jpg"; filename*=UTF-8''%E7%8C%AB.jpg`, thumbnailDisposition(&files.File{Name: "猫.webp", Mime: "image/webp"}))
}

func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a", `"`, "\\\"", "%22", "é", "\U0001f469\u200d\U0001f469", "a\r\nb", "'*;", strings.Repeat("长", 128)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		value := named("attachment", name)
		require.False(t, strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }), "%q", value)
		_, params, err := mime.ParseMediaType(value)
		require.NoError(t, err)
		require.Equal(t, name, params["filename"])
	})
}
