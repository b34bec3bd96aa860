package broker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Who comes back with the mid of what it holds is given all that follows, whatever fits into a page and whoever may not
// see notes; and is told where the log does not have that message.
func TestComingBackWithAMid(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, ctx, q := startNode(t, url), t.Context(), name("q")
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s := uma.open(q)
		ann.grab(s.ID)
		note, err := json.Marshal("a note")
		require.NoError(t, err)
		for i := range 60 {
			if i%3 == 2 {
				_, err := b.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeNote, Body: note, Key: name("k")})
				require.NoError(t, err)
				continue
			}
			ann.send(s.ID, strings.Repeat("x", 12_000))
		}
		for _, p := range []*party{uma, ann} {
			all := history(t, b, p.Actor, s.ID, 200)
			require.NotEmpty(t, all)
			for _, limit := range []int{1, 7, 200} {
				for _, from := range []int{0, 1, len(all) / 2, len(all) - 1} {
					got := slices.Clone(all[:from+1])
					for more := true; more; {
						held := got[len(got)-1]
						page, err := b.History(ctx, p.Actor, chat.HistoryRequest{Session: s.ID, After: held.Seq, Mid: held.Mid, Before: -1, Limit: limit})
						require.NoError(t, err)
						require.False(t, page.Reset)
						got, more = append(got, page.Messages...), page.More
						require.LessOrEqual(t, len(got), len(all))
					}
					require.Equal(t, all, got, "pages of %d from %d", limit, from)
				}
			}
			last := all[len(all)-1]
			for what, r := range map[string]chat.HistoryRequest{
				"another message": {After: last.Seq, Mid: all[0].Mid}, "more than there is": {After: last.Seq + 100, Mid: last.Mid},
			} {
				r.Session, r.Before, r.Limit = s.ID, -1, 5
				page, err := b.History(ctx, p.Actor, r)
				require.NoError(t, err)
				require.True(t, page.Reset, what)
				require.Equal(t, all[:5], page.Messages, what)
			}
		}
		st, err := b.sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		page, err := b.History(ctx, uma.Actor, chat.HistoryRequest{Session: s.ID, After: st.Seq, Mid: st.LastMid, Before: -1})
		require.NoError(t, err)
		require.False(t, page.Reset, "the last is a note, whose mid hello tells the user, too")
		require.Empty(t, page.Messages)
	})
}
