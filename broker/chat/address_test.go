package chat

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// addresses are the cases that the pages' tests show to a browser, too.
func addresses(t testing.TB) (accepted, refused []string) {
	t.Helper()
	data, err := os.ReadFile("../../testdata/hostile/urls.json")
	require.NoError(t, err)
	var a struct{ Accepted, Refused []string }
	require.NoError(t, json.Unmarshal(data, &a))
	require.NotEmpty(t, a.Accepted)
	require.NotEmpty(t, a.Refused)
	return a.Accepted, a.Refused
}

func fileWith(t testing.TB, field string, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]any{"url": "https://example.com/x", field: v})
	require.NoError(t, err)
	return b
}

// No message, whatever its type, has an address that a page cannot parse or must not load.
func TestAddressesOfFiles(t *testing.T) {
	accepted, refused := addresses(t)
	accepted = append(accepted, "/api/v1/files/01J_a-Z9", "/api/v1/files/a/thumbnail", "https://a.example/"+strings.Repeat("a", MaxURL-len("https://a.example/")))
	for _, kind := range files {
		for _, u := range accepted {
			body, err := MessageBody(kind, fileWith(t, "url", u), "")
			require.NoError(t, err, u)
			var f FileInfo
			require.NoError(t, json.Unmarshal([]byte(body), &f))
			require.Equal(t, u, f.URL)
		}
		for _, u := range refused {
			_, err := MessageBody(kind, fileWith(t, "url", u), "")
			require.ErrorContains(t, err, "body.url", u)
			code(t, CodeBadRequest, err)
		}
		_, err := MessageBody(kind, fileWith(t, "url", "https://a.example/"+strings.Repeat("a", MaxURL)), "")
		code(t, CodeTooLarge, err)
		require.ErrorContains(t, err, "body.url")
	}
}

func TestAddressesOfAvatars(t *testing.T) {
	accepted, refused := addresses(t)
	elsewhere := []string{"", "/", "/desk", "/api/v1/filesa", "/api/v1/files/\u00e9", "/api/v1/files/a?signature=x", "/api/v1/files/a#x", "/api/v1/files/a/thumbnail/b"}
	for _, u := range append(accepted, append(elsewhere, "/avatars/安.png", "/img?id=7")...) {
		require.NoError(t, (&Identity{Role: RoleUser, ID: "uma", Avatar: u}).Normalize(), u)
	}
	for _, u := range refused {
		ok := false
		for _, e := range elsewhere {
			ok = ok || e == u
		}
		if !ok {
			err := (&Identity{Role: RoleUser, ID: "uma", Avatar: u}).Normalize()
			require.ErrorContains(t, err, "avatar", u)
			code(t, CodeBadRequest, err)
		}
	}
}

func TestWhatElseAFileSays(t *testing.T) {
	for _, c := range []struct {
		field string
		is    any
		code  Code
	}{
		{"size", 0, ""}, {"size", 1 << 40, ""}, {"size", 1<<40 + 1, CodeBadRequest}, {"size", -1, CodeBadRequest}, {"size", 1.5, CodeBadRequest}, {"size", "1", CodeBadRequest},
		{"size", json.RawMessage("1e400"), CodeBadRequest}, {"size", uint64(math.MaxUint64), CodeBadRequest},
		{"width", 1 << 20, ""}, {"width", 1<<20 + 1, CodeBadRequest}, {"width", -1, CodeBadRequest}, {"width", []int{1}, CodeBadRequest}, {"height", 1<<20 + 1, CodeBadRequest},
		{"height", -1, CodeBadRequest}, {"height", nil, ""}, {"height", true, CodeBadRequest},
		{"duration", 0.5, ""}, {"duration", -0.1, CodeBadRequest}, {"duration", 1e300, CodeBadRequest}, {"duration", json.RawMessage("1e400"), CodeBadRequest}, {"duration", "NaN", CodeBadRequest},
		{"name", strings.Repeat("a", 2048), ""}, {"name", strings.Repeat("a", 2049), CodeTooLarge}, {"name", "a\x00", CodeBadRequest}, {"name", 1, CodeBadRequest},
		{"mime", strings.Repeat("a", 255), ""}, {"mime", strings.Repeat("a", 256), CodeTooLarge}, {"mime", "a\nb", CodeBadRequest}, {"mime", map[string]any{}, CodeBadRequest},
		{"url", nil, CodeBadRequest}, {"url", 7, CodeBadRequest}, {"url", []string{}, CodeBadRequest},
	} {
		for _, kind := range files {
			_, err := MessageBody(kind, fileWith(t, c.field, c.is), "")
			if c.code == "" {
				require.NoError(t, err, c)
				continue
			}
			code(t, c.code, err)
			require.ErrorContains(t, err, "body."+c.field, c)
		}
	}
	for _, body := range []string{"", "null", "[]", `"x"`, "{", "{}", `{"url":`} {
		_, err := MessageBody(TypeFile, json.RawMessage(body), "")
		code(t, CodeBadRequest, err)
	}
}

// plausible makes addresses of pieces on which parsers differ.
var plausible = rapid.Custom(func(t *rapid.T) string {
	piece := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	var b strings.Builder
	b.WriteString(piece("scheme", "http://", "https://", "HTTP://", "http:/", "http:", "//", "/", "", "\\\\", "javascript:", "http:///", " http://"))
	b.WriteString(piece("user", "", "", "", "u@", "u:p@", "@"))
	for range rapid.IntRange(0, 4).Draw(t, "labels") {
		b.WriteString(piece("label", "a", "example", "xn--fiqs8s", "xn--", "xn--a", "xn--mgbh0fb", "1", "0x1", "256", "127.0.0.1", "[::1]", "[", "]", "é", "%41", "a b", "_", "-", "", "\u202e", rapid.StringN(0, 4, 8).Draw(t, "any")))
		b.WriteString(piece("dot", ".", ".", "", "\u3002"))
	}
	b.WriteString(piece("port", "", "", ":80", ":65536", ":", ":x"))
	b.WriteString(piece("path", "", "/", "/a", "/%zz", "/文", "\\x", "/a b", "/\t", "/"+rapid.StringN(0, 6, 12).Draw(t, "rest")))
	return b.String()
})

func acceptable(t require.TestingT, u string) {
	for name, valid := range map[string]func(string, string) error{"file": ValidFileURL, "avatar": ValidAvatar} {
		if u == "" || valid(name, u) != nil {
			continue
		}
		require.LessOrEqual(t, len(u), MaxURL)
		require.True(t, utf8.ValidString(u))
		require.False(t, strings.ContainsFunc(u, func(r rune) bool {
			return r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
		}), "%q", u)
		if strings.HasPrefix(u, "/") {
			require.False(t, strings.HasPrefix(u, "//"), "%q", u)
			continue
		}
		lower := strings.ToLower(u)
		rest, ok := strings.CutPrefix(strings.Replace(lower, "https://", "http://", 1), "http://")
		require.True(t, ok, "%q", u)
		host := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune("/?#", r) }))]
		require.NotEmpty(t, host, "%q", u)
		require.NotContains(t, host, "@", "%q", u)
		require.NotContains(t, host, "%", "%q", u)
		for _, r := range host {
			require.Less(t, r, rune(utf8.RuneSelf), "%q", u)
		}
	}
}

func TestWhatIsAcceptedIsAnAddress(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { acceptable(rt, plausible.Draw(rt, "url")) })
}

func FuzzAddress(f *testing.F) {
	accepted, refused := addresses(f)
	for _, u := range append(accepted, refused...) {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) { acceptable(t, u) })
}

// A body that is accepted is JSON that is accepted again, as it is.
func FuzzBody(f *testing.F) {
	for _, kind := range append(files, TypeText, TypeCard, TypeNote) {
		for _, b := range []string{`{"url":"http://["}`, `{"url":"https://example.com","width":1e9}`, `"x"`, `"\ud800"`, `{"__proto__":{}}`, `null`, `{"url":"/api/v1/files/a","name":"\ud800"}`} {
			f.Add(kind, []byte(b))
		}
	}
	f.Fuzz(func(t *testing.T, kind string, raw []byte) {
		body, err := MessageBody(kind, raw, "")
		if err != nil {
			return
		}
		require.True(t, json.Valid([]byte(body)), "%q", body)
		again, err := MessageBody(kind, json.RawMessage(body), "")
		require.NoError(t, err)
		require.Equal(t, body, again)
	})
}

// code wants an error of a code.
func code(t testing.TB, want Code, err error) {
	t.Helper()
	require.Equal(t, want, AsError(err).Code, "%v", err)
}
