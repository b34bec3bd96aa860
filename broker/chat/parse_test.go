package chat

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is read without a decoder is what the decoder reads, whatever names and values hold.
func TestHashesAreReadAsTheDecoderDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z:"\\/{}]{0,20}`)), 0, 12).Draw(t, "list")
		data, err := json.Marshal(list)
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "broken") {
			at := rapid.IntRange(0, len(data)).Draw(t, "at")
			data = append(data[:at:at], append([]byte(rapid.SampledFrom([]string{"", ",", `"`, "]", "1", `\`, "\xff"}).Draw(t, "with")), data[at:]...)...)
		}
		var got, want Flat
		wrong := want.slowly(data)
		err = got.UnmarshalJSON(data)
		if len(data) > 0 && data[0] == '{' {
			return
		}
		require.Equal(t, wrong == nil, err == nil, "%s: %v, %v", data, wrong, err)
		if err == nil {
			require.Equal(t, want, got, "%s", data)
		}
	})
	var f Flat
	require.NoError(t, json.Unmarshal([]byte(`{}`), &f), "what cjson makes of nothing")
	require.Empty(t, f)
}

// Heads that follow each other are read as each would be by itself.
func TestHeadsAreReadAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heads
		for range rapid.IntRange(1, 8).Draw(t, "n") {
			from := Author{ID: rapid.SampledFrom([]string{"ann", `b"o`, "世"}).Draw(t, "id"), Role: RoleAgent, Name: rapid.SampledFrom([]string{"", `A\`}).Draw(t, "name")}
			e := Entry{Seq: rapid.Int64Range(1, 9).Draw(t, "seq"), At: 7, Key: "k",
				Head: Head(rapid.SampledFrom([]string{"01J", "01K", `x\u0041`}).Draw(t, "mid"), from, TypeText, rapid.Int64Range(0, 1).Draw(t, "reply"))}
			if rapid.Bool().Draw(t, "body") {
				e.Body = `"hello"`
			}
			if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
				e.Head = rapid.SampledFrom([]string{``, `"type":"text"`, `"mid":"01J"`, `"mid":"01J",`, `"mid":1`}).Draw(t, "head")
			}
			own := rapid.Bool().Draw(t, "own")
			want, wrong := e.Message("s", own)
			got, err := h.Message(&e, "s", own)
			require.Equal(t, wrong == nil, err == nil)
			if err == nil {
				require.Equal(t, want, got)
			}
		}
	})
}
