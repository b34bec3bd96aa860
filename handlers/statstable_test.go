package handlers

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// Whatever names and ids hold, a table has its rows and columns and tells them as they are, after what Excel knows UTF-8 by.
func TestTableOfHostileNames(t *testing.T) {
	names := map[string]string{
		"Ann 安": "Ann 安", `say "hi", ok`: `say "hi", ok`, "two\nlines": "two\nlines", "a-b=c": "a-b=c", "": "",
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", " =1": "' =1", "＝1": "'＝1", "\u200b=1": "'\u200b=1",
		"|calc": "'|calc", "%0A": "'%0A", "x;=1+1;y": "x;'=1+1;y", `"=1+1`: `"=1+1`, "﹣1": "'﹣1",
	}
	var r chat.StatsReply
	var want []string
	for name, told := range names {
		r.Agents = append(r.Agents, chat.StatsAgent{Agent: name, Name: name})
		want = append(want, told)
	}
	var b bytes.Buffer
	require.NoError(t, writeTable(&b, statsTable(&r), true))
	rest, marked := bytes.CutPrefix(b.Bytes(), []byte{0xef, 0xbb, 0xbf})
	require.True(t, marked)
	rows, err := csv.NewReader(bytes.NewReader(rest)).ReadAll() // it wants all rows of one length
	require.NoError(t, err)
	require.Equal(t, "row", rows[0][0])
	for i, told := range want {
		row := rows[2+i] // after the header and the total
		if told == "'\r=1" {
			told = row[3] // encoding/csv leaves a bare CR to its reader's taste
			require.Equal(t, byte('\''), told[0])
		}
		require.Equal(t, []string{"agent", told, told}, []string{row[0], row[3], row[4]})
	}
}
