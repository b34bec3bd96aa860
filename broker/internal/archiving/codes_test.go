package archiving

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/scripts"
)

// What comes back from the archive has the codes of authors that the scripts give them.
func TestCodesAreThoseOfTheScripts(t *testing.T) {
	r := &Revived{Doc: archive.Session{Snapshot: `{"s":["c:u:uma","1"],"r":[]}`}, Codes: map[string]int64{}}
	require.NoError(t, r.begin())
	for name, by := range map[string]string{"NOBODY": "", "USER": "u:uma", "HOST": "h:system", "BOT": "h:bot", "FIRST_AGENT": "a:ann"} {
		n, err := scripts.Number("lib/unread", name)
		require.NoError(t, err)
		require.EqualValues(t, n, r.code(by), name)
	}
	note, err := scripts.Number("lib/unread", "NOTE")
	require.NoError(t, err)
	r.take(chat.Entry{Seq: 1, By: "h:bot", Note: true})
	require.EqualValues(t, []byte{byte(note), 4}, r.Authors)
}
