package handlers

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
)

func TestCellsAreNoFormulas(t *testing.T) {
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(1)", "＝1+1", "＋1", "－1", "＠SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1",
		"\u3000＝1", "\u200b=1", "\ufeff=1", "\u2028=1", "\x00=1", "|cmd", "%0A", "﹦1", "\u22121", "\xff=1", " ", "\t"} {
		require.Equal(t, "'"+text, cell(text), "%q", text)
	}
	for text, want := range map[string]string{"x;=1+1;y": "x;'=1+1;y", "x; =1": "x;' =1", ";@A1": ";'@A1", "a; b;c": "a; b;c", ";;": ";;"} {
		require.Equal(t, want, cell(text))
	}
	for _, text := range []string{"", "support", "客服", "a=b", "1-2", "O'Neil", "'quoted", "_x", "#1", "é"} {
		require.Equal(t, text, cell(text))
	}
}

// Whatever an id or a name begins with: without what cannot be seen, and with wide signs made narrow,
// no cell of the table begins with a sign that makes a formula.
func TestNoCellOfTheTableIsAFormula(t *testing.T) {
	begins := rapid.SampledFrom([]string{"", "=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", " ", "\u3000", "\u200e", "\ufeff", "\x1f", "\xfe"})
	rapid.Check(t, func(t *rapid.T) {
		text := func(what string) string {
			return strings.Join(rapid.SliceOfN(begins, 0, 4).Draw(t, what), "") + rapid.String().Draw(t, what)
		}
		queue := text("queue")
		reply := &chat.StatsReply{Queues: make([]chat.StatsQueue, 1), Agents: make([]chat.StatsAgent, 1)}
		reply.Queues[0].Queue, reply.Agents[0].Agent, reply.Agents[0].Name = &queue, text("agent"), text("name")
		for _, row := range statsTable(reply)[1:] {
			for _, c := range row[:5] {
				seen := strings.TrimLeftFunc(norm.NFKC.String(c), func(r rune) bool {
					return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
				})
				require.False(t, seen != "" && strings.ContainsRune("=+-@", rune(seen[0])), "%q", c)
			}
		}
		agents := statsTable(reply)[3]
		for text, cell := range map[string]string{queue: statsTable(reply)[2][2], reply.Agents[0].Agent: agents[3], reply.Agents[0].Name: agents[4]} {
			if !strings.Contains(text, ";") {
				require.Contains(t, []string{text, "'" + text}, cell, "what was guarded is whole")
			}
		}
	})
}
