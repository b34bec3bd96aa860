package archivetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

func messagesAreKept(t *testing.T, a archive.Archive) {
	full := archive.Message{
		Mid: "m", Session: "s", Seq: 3, At: Start, By: "a:ann", Sender: "ann", Role: "agent", Name: "安 \"x\"", Type: "card",
		Command: "transfer", Body: `{"title": "标题 \u0000 \ud83d\ude00", "n": [1, 2.50, null]}`, Key: "k$.{}'", ReplyTo: 2,
		User: "uma", Queue: "售后", Agents: []string{"ann", "bob"},
	}
	sparse := archive.Message{Mid: "n", Session: "s", Seq: 4}
	put(t, a, full, sparse)
	sameMessages(t, []archive.Message{full, sparse}, messages(t, a, "s"))

	none, err := a.PutMessages(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func theFirstMessageStays(t *testing.T, a archive.Archive) {
	first := Message("s", 1, Start, "first")
	second := Message("s", 1, Start+1, "second")
	second.Name = "somebody else"
	put(t, a, first, second)
	sameMessages(t, []archive.Message{first}, messages(t, a, "s"), "within a write")

	put(t, a, second)
	put(t, a, first)
	put(t, a, Message("s", 2, Start, "another"), second)
	sameMessages(t, []archive.Message{first, Message("s", 2, Start, "another")}, messages(t, a, "s"), "in later ones")
	require.Empty(t, searchAll(t, a, archive.SearchQuery{Words: []string{"second"}}, 10))
}

// recalledMessagesLoseTheirContent puts an original (o) and a recalled message
// (r) in every order and every split into writes.
func recalledMessagesLoseTheirContent(t *testing.T, a archive.Archive) {
	for i, order := range []string{"r", "or", "ro", "o|r", "r|o", "o|r|o", "r|o|r", "o|o|r", "o|ror|o", "r|r", "o|r|r|o"} {
		session := fmt.Sprint("s", i)
		original := Message(session, 1, Start, "the secret")
		recalled := Recalled(original)
		other := Message(session, 2, Start, "the rest")
		put(t, a, other)
		for write := range strings.SplitSeq(order, "|") {
			var batch []archive.Message
			for _, c := range write {
				m := original
				if c == 'r' {
					m = recalled
				}
				batch = append(batch, m)
			}
			put(t, a, batch...)
		}
		sameMessages(t, []archive.Message{recalled, other}, messages(t, a, session), order)
		require.Empty(t, searchAll(t, a, archive.SearchQuery{Words: []string{"secret"}}, 10), order)
	}

	// Only what a recall takes away changes, even if it comes with more.
	original := Message("s", 1, Start, "the secret")
	recall := archive.Message{Mid: original.Mid, Session: "s", Seq: 1, At: Start + 5, Name: "other", Recalled: true, Body: `"more"`, Key: "k"}
	put(t, a, original)
	put(t, a, recall)
	sameMessages(t, []archive.Message{Recalled(original)}, messages(t, a, "s"))
	recall.Mid, recall.Seq = "unseen", 2
	put(t, a, recall)
	sameMessages(t, []archive.Message{Recalled(original), Recalled(recall)}, messages(t, a, "s"))
}

func supersededMessagesAreMarked(t *testing.T, a archive.Archive) {
	old, other, fresh := Message("s", 1, Start, "the lost one"), Message("s", 2, Start+1, "other"), Message("s", 1, Start+2, "the one that counts")
	old.Mid = "s/lost"
	put(t, a, old, other, fresh)
	old.Superseded = true
	for range 2 {
		put(t, a, old)
		got := map[string]bool{}
		for _, m := range messages(t, a, "s") {
			got[m.Mid] = m.Superseded
		}
		require.Equal(t, map[string]bool{"s/lost": true, other.Mid: false, fresh.Mid: false}, got)
	}
	found := searchAll(t, a, archive.SearchQuery{Words: []string{"lost"}}, 10)
	require.Len(t, found, 1, "it stays findable")
	require.True(t, found[0].Superseded)

	// Unmarked again, as by an archiver that repeats a write: it stays marked. Recalled later: both.
	old.Superseded = false
	put(t, a, old)
	put(t, a, Recalled(old))
	for _, m := range messages(t, a, "s") {
		if m.Mid == "s/lost" {
			require.True(t, m.Superseded)
			require.True(t, m.Recalled)
		}
	}
	unseen := Message("s", 3, Start, "unseen")
	unseen.Superseded = true
	put(t, a, unseen)
	list := messages(t, a, "s")
	require.True(t, list[len(list)-1].Superseded)
}

func badMessagesAreRejected(t *testing.T, a archive.Archive) {
	bad := func(seq int64, f func(m *archive.Message)) archive.Message {
		m := Message("s", seq, Start, "bad")
		f(&m)
		return m
	}
	large := Message("s", 50, Start, "")
	large.Type = "file"
	large.Body = `{"name":"large.pdf","x":"` + strings.Repeat("x", archive.MaxItem-27) + `"}`
	require.Len(t, large.Body, archive.MaxItem)
	batch := []archive.Message{
		bad(1, func(m *archive.Message) { m.Body = `"unfinished` }),
		Message("s", 10, Start, "good"),
		bad(2, func(m *archive.Message) { m.Name = "\xff" }),
		bad(3, func(m *archive.Message) { m.Body = "\"\xc3\x28\"" }),
		Message("s", 11, Start, "good"),
		bad(4, func(m *archive.Message) { m.Body = `"` + strings.Repeat("x", archive.MaxItem-1) + `"` }),
		bad(5, func(m *archive.Message) { m.Mid = "" }),
		large,
		bad(6, func(m *archive.Message) { m.Session = "" }),
		bad(0, func(m *archive.Message) { m.Mid = "zero" }),
	}
	for range 2 {
		rejected, err := a.PutMessages(t.Context(), batch)
		require.NoError(t, err)
		requireRejected(t, rejected, 0, 2, 3, 5, 6, 8, 9)
		sameMessages(t, []archive.Message{batch[1], batch[4], large}, messages(t, a, "s"))
	}
	rejected, err := a.PutMessages(t.Context(), batch[:1])
	require.NoError(t, err)
	requireRejected(t, rejected, 0)
	require.Len(t, searchAll(t, a, archive.SearchQuery{Words: []string{"large.pdf"}}, 10), 1)

	// A rejected message does not stand in the way of a good one with its mid.
	put(t, a, Message("s", 1, Start, "mended"))
	require.Len(t, messages(t, a, "s"), 4)
}

// requireRejected wants these items rejected, each with a reason.
func requireRejected(t *testing.T, rejected []archive.Rejected, want ...int) {
	t.Helper()
	var got []int
	for _, r := range rejected {
		require.Error(t, r.Err)
		got = append(got, r.Index)
	}
	slices.Sort(got)
	require.Equal(t, want, got)
}

func messagesComeInRanges(t *testing.T, a archive.Archive) {
	var all []archive.Message
	for seq := range int64(20) {
		m := Message("s", seq+1, Start-seq, "text") // whatever their times
		if seq%5 == 1 {
			m = Recalled(m)
		}
		all = append(all, m)
		put(t, a, Message("s.", seq+1, Start, "another's"))
	}
	order := slices.Clone(all)
	slices.SortFunc(order, func(a, b archive.Message) int { return cmp.Compare(a.Seq*7%20, b.Seq*7%20) })
	put(t, a, order...)
	for _, r := range [][2]int64{{1, 20}, {1, 1}, {20, 20}, {7, 12}, {-5, 3}, {0, 0}, {19, 1 << 50}, {21, 30}, {5, 4}} {
		got, err := a.Messages(t.Context(), "s", r[0], r[1])
		require.NoError(t, err)
		from, to := min(max(r[0], 1), 21), min(max(r[1], 0), 20)
		sameMessages(t, all[from-1:max(from-1, to)], got, "%v", r)
	}
	got, err := a.Messages(t.Context(), "none", 1, 100)
	require.NoError(t, err)
	require.Empty(t, got)
}

func manyMessagesOfManySessions(t *testing.T, a archive.Archive, n int) {
	sessions := n / 10
	var batch []archive.Message
	for i := range n {
		batch = append(batch, Message(fmt.Sprint("s", i%sessions), int64(i/sessions)+1, Start+int64(i), Text(i)))
	}
	put(t, a, batch[:n/2]...)
	put(t, a, batch...)
	put(t, a, batch...)
	for s := range sessions {
		var want []archive.Message
		for i := s; i < len(batch); i += sessions {
			want = append(want, batch[i])
		}
		sameMessages(t, want, messages(t, a, fmt.Sprint("s", s)))
	}
	word := []string{"退款"}
	want := 0
	for i := range batch {
		if archive.Holds(archive.Fold(batch[i].Text()), word) {
			want++
		}
	}
	require.Positive(t, want)
	require.Len(t, searchAll(t, a, archive.SearchQuery{Words: word}, 7), want)
}
