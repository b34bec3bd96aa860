package archivetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/internal/fold/foldtest"
)

// seen gives the messages a query must find while nothing is indexed again: those
// that an earlier version, too, would have found by its own rule, or by Words.
func seen(q archive.SearchQuery, all []archive.Message) []archive.Message {
	return slices.DeleteFunc(found(q, all), func(m archive.Message) bool {
		old := archive.OldFold(m.Text())
		return !archive.Holds(old, q.Words) && !archive.Holds(old, q.OldWords)
	})
}

// hardQueries are those that the two rules take for different words, and a few others.
var hardQueries = []string{
	"strasse", "Straße", "STRASSE", "sf123", "ＳＦ１２３", "ß", "ss", "café", "cafe\u0301", "é", "e", "offi", "ﬃ", "ガギ", "ｶﾞ", "istanbul", "İst",
	"refund", "ref und", "退款", "款", "re\u200bfund", "株式", "1", "full 全角", "σίσυφος",
}

// hardTexts are found by these.
var hardTexts = append([]string{
	"Die Straße 12", "DIE STRASSE", "订单ＳＦ１２３已发货", "sf123", "un cafe\u0301 noir", "Café", "an oﬃce", "office", "ｶﾞｷﾞ", "ガギグ",
	"re\u200bfund 退款", "㍿山田", "İstanbul", "ISTANBUL", "i\u0307stanbul", "\u200b", "①②③", "ΣΙ\u0301ΣΥΦΟΣ",
}, texts...)

func asked(query string) archive.SearchQuery {
	return archive.SearchQuery{Words: archive.Words(query), OldWords: archive.OldWords(query)}
}

// requireSearches wants what must be found, and nothing that does not have the words.
func requireSearches(t *testing.T, a archive.Archive, must, may []archive.Message) {
	t.Helper()
	for _, query := range hardQueries {
		q := asked(query)
		got := mids(searchAll(t, a, q, 5))
		require.True(t, slices.IsSorted(reversed(order(got, may))), "%q: not newest first", query)
		require.Subset(t, mids(found(q, may)), got, "%q", query)
		require.Subset(t, got, mids(seen(q, must)), "%q", query)
	}
}

// order gives the places of messages in time.
func order(some []string, all []archive.Message) []int {
	at := map[string]int{}
	for i, m := range found(archive.SearchQuery{}, all) {
		at[m.Mid] = -i
	}
	out := make([]int, len(some))
	for i, mid := range some {
		out[i] = at[mid]
	}
	return out
}

func reversed(list []int) []int {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// anOldIndexIsRenewed bit by bit, and serves meanwhile.
func anOldIndexIsRenewed(t *testing.T, a archive.Archive, age func(*testing.T, archive.Archive)) {
	var all []archive.Message
	for i, text := range hardTexts {
		all = append(all, Message(fmt.Sprint("s", i%3), int64(i)+1, Start+int64(i/2), text))
	}
	put(t, a, all...)
	age(t, a)
	requireSearches(t, a, all, all)
	steps := 0
	for ; ; steps++ {
		n, err := a.Reindex(t.Context(), 7)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 7)
		if n == 0 {
			break
		}
		if steps%5 == 2 {
			requireSearches(t, a, all, all)
		}
	}
	require.Greater(t, steps, len(all)/10)
	for _, query := range hardQueries {
		q := asked(query)
		sameMessages(t, found(q, all), searchAll(t, a, q, 5), "%q", query)
		sameMessages(t, found(q, all), searchAll(t, a, archive.SearchQuery{Words: q.Words}, 5), "%q", query)
	}
}

// whatComesMeanwhileIsFound: new messages, late ones of long ago, and recalls,
// half way; and several who reindex at the same time.
func whatComesMeanwhileIsFound(t *testing.T, a archive.Archive, age func(*testing.T, archive.Archive)) {
	message := func(i int) archive.Message {
		return Message("s", int64(i)+1, Start+int64(i*31%60), hardTexts[i%len(hardTexts)])
	}
	var all []archive.Message
	for i := range 40 {
		all = append(all, message(i))
	}
	put(t, a, all...)
	age(t, a)
	n, err := a.Reindex(t.Context(), 15)
	require.NoError(t, err)
	require.Positive(t, n)
	for i := 40; i < 60; i++ {
		all = append(all, message(i))
	}
	put(t, a, all...)
	left := []archive.Message{}
	for i, m := range all {
		if i%4 == 0 {
			put(t, a, Recalled(m))
		} else {
			left = append(left, m)
		}
	}
	requireSearches(t, a, left, left)
	var wg sync.WaitGroup
	var bad atomic.Value
	for range 4 {
		wg.Go(func() {
			for {
				n, err := a.Reindex(t.Context(), 4)
				if err != nil {
					bad.Store(err)
				}
				if n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Nil(t, bad.Load())
	for _, query := range hardQueries {
		q := asked(query)
		sameMessages(t, found(q, left), searchAll(t, a, q, 5), "%q", query)
	}
}

// aNewStoreHasNothingToReindex, and goes on so.
func aNewStoreHasNothingToReindex(t *testing.T, a archive.Archive) {
	for range 2 {
		n, err := a.Reindex(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n)
		put(t, a, Message("s", 1, Start, "Straße"), Recalled(Message("s", 2, Start, "x")))
	}
}

// searchAgrees compares searches with a slow and obvious one: texts of anything,
// asked for by parts of them, in other forms.
func searchAgrees(t *testing.T, a archive.Archive, n int) {
	var all []archive.Message
	slow := map[string]string{}
	for i := range n {
		m := Message("s", int64(i)+1, Start+int64(i/2), foldtest.Texts(25).Example(i))
		all = append(all, m)
		slow[m.Mid] = foldtest.Slow(m.Text())
	}
	put(t, a, all...)
	for i, m := range all {
		for k := range 3 {
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(k))) //nolint:gosec // a test's
			runes := []rune(m.Text())
			if len(runes) == 0 {
				continue
			}
			from := rnd.IntN(len(runes))
			part := string(runes[from:min(len(runes), from+1+rnd.IntN(5))])
			query := foldtest.Forms(part).Example(i + k)
			words := strings.Fields(foldtest.Slow(query))
			if len(words) == 0 {
				continue
			}
			want := []string{}
			for _, m := range all {
				if archive.Holds(slow[m.Mid], words) && slow[m.Mid] != "" {
					want = append(want, m.Mid)
				}
			}
			got := mids(searchAll(t, a, asked(query), 50))
			slices.Sort(want)
			slices.Sort(got)
			require.Equal(t, want, got, "%+q", query)
		}
	}
}
