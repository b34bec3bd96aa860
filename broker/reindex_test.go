package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// What an earlier version archived is found through the broker, before and after.
func TestSearchFindsEveryForm(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded), func(o *Options) { o.Archive = newLedger(t) })
	uma, q := user(t, b, name("uma")), name("q")
	s := uma.open(q)
	for _, text := range []string{"Straße １２３", "cafe\u0301 oﬃce", "ｶﾞｷﾞ re\u200bfund", "İstanbul"} {
		uma.send(s.ID, text)
	}
	archived(t, b, s.ID)
	for query, want := range map[string]string{"STRASSE 123": "Straße", "１２３": "１２３", "café": "cafe\u0301", "office": "oﬃce", "ガギ": "ｶﾞｷﾞ",
		"refund": "re\u200bfund", "istanbul": "İstanbul", "ISTANBUL": "İstanbul", "ｓｔｒａｓｓｅ": "Straße"} {
		r, err := b.sessions.Search(t.Context(), host, chat.SearchRequest{Query: query})
		require.NoError(t, err)
		require.Len(t, r.Messages, 1, query)
		hits := []string{}
		for _, p := range r.Messages[0].Snippet {
			if p.Hit {
				hits = append(hits, p.Text)
			}
		}
		require.Contains(t, hits, want)
	}
	_, err := b.sessions.Search(t.Context(), host, chat.SearchRequest{Query: "\u200b \ufeff"})
	code(t, chat.CodeBadRequest, err)
}
