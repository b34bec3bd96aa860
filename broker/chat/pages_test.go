package chat

import (
	"github.com/stretchr/testify/require"
	"strings"
	"testing"
)

// A page holds what fits, and one item at least.
func TestAPageHoldsWhatFits(t *testing.T) {
	p := NewPage()
	require.True(t, p.Fits(2*PageBytes))
	require.False(t, p.Fits(1))
	p = NewPage()
	n := 0
	for p.Fits(999) {
		n++
	}
	require.Equal(t, (PageBytes-Envelope)/1000, n)
}

// What an entry is taken to be as JSON is what it is, within a few bytes more.
func TestTheSizeOfAnEntry(t *testing.T) {
	for _, body := range []string{`"x"`, Quote(strings.Repeat("\n", 16000)), Quote(strings.Repeat("\x01", 500)), ""} {
		for _, reply := range []int64{0, 1 << 40} {
			e := Entry{Seq: 1 << 52, At: 1764182925000, By: "u:a", Key: `k"`, Body: body,
				Head: Head("01M8CM7ETAJT5Y3QH5NTEEA83K", Author{"a\"b", RoleUser, "n\u2028<&>"}, TypeText, reply)}
			m, err := e.Message("00-01M8CM7ETAJT5Y3QH5NTEEA83K", true)
			require.NoError(t, err)
			got, want := e.Size(m.Session, true), Sized(m)
			require.GreaterOrEqual(t, got, want)
			require.Less(t, got, want+100)
		}
	}
}
