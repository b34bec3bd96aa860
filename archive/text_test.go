package archive

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPlain holds the short way through a body to encoding/json's.
func FuzzPlain(f *testing.F) {
	for _, body := range []string{
		`"hello 您好"`, `""`, `"`, ``, `"a"b"`, `"a\"b"`, `"\u00e9"`, `"a\\"`, `"\"`, "\"\n\"", "\"\x00\"", "\"\x7f\"", "\"\xff\"", "\"\xe4\xbd\"",
		`"x" `, ` "x"`, `1`, `{"a":"b"}`, `["a"]`, "\"\u2028\"", "\"\ufffd\"", "\"\xed\xa0\x80\"", `"/"`, `"<&>"`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, kind := range []string{"text", "note", "system", "file"} {
			m := Message{Mid: "m", Session: "s", Seq: 1, Type: kind, Body: body}
			var v any
			err := json.Unmarshal([]byte(body), &v)
			want := ""
			switch {
			case err != nil || kind == "system":
			case kind == "file":
				file, _ := v.(map[string]any)
				want, _ = file["name"].(string)
			default:
				want = strings.Join(texts(v, nil), "\n")
			}
			require.Equal(t, want, m.Text(), "%q", body)
			valid := body == "" || json.Valid([]byte(body))
			require.Equal(t, valid && strings.ToValidUTF8(body, "") == body, m.Valid() == nil, "%q", body)
		}
	})
}
