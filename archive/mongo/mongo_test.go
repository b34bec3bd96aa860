package mongo

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"bellhop/archive"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Main(m))
}

// open opens a new database of the server that all tests share.
func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, testenv.SharedMongo(t).URL()+"test-"+rand.Text())
}

func openAt(t testing.TB, url string) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Open(ctx, url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// text is a message of the session s, valid and found by its words.
func text(seq int64, words string) archive.Message {
	return archive.Message{
		Mid: fmt.Sprintf("s-%04d", seq), Session: "s", Seq: seq, At: 1_700_000_000_000 + seq,
		By: "u:1", Sender: "1", Role: "user", Name: "Ann", Type: "text", Command: "send",
		Body: fmt.Sprintf("%q", words), Key: fmt.Sprint("key", seq), User: "1", Queue: "sales", Agents: []string{"7"},
	}
}

func put(t testing.TB, s *Store, messages ...archive.Message) {
	t.Helper()
	rejected, err := s.PutMessages(t.Context(), messages)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

func TestOpenNeedsADatabase(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"mongodb://127.0.0.1:1", "mongodb://127.0.0.1:1/", "mongodb://a:1,b:2/?w=1"} {
		_, err := Open(t.Context(), url)
		require.ErrorContains(t, err, "names no database", url)
	}
	name, err := Database("mongodb://me:p%40ss@a:1,b:2/chat?replicaSet=rs0&x=a/b")
	require.NoError(t, err)
	require.Equal(t, "chat", name)
}

func TestOpenTellsThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "mongodb://127.0.0.1:1/chat?serverSelectionTimeoutMS=300")
	require.ErrorContains(t, err, "server selection")
}

func TestOpenAgainFindsItsIndexes(t *testing.T) {
	t.Parallel()
	url := testenv.SharedMongo(t).URL() + "test-" + rand.Text()
	s := openAt(t, url)
	put(t, s, text(1, "hello"))
	again := openAt(t, url)
	require.NoError(t, again.Ping(t.Context()))
	messages, err := again.Messages(t.Context(), "s", 1, 9)
	require.NoError(t, err)
	require.Equal(t, []archive.Message{text(1, "hello")}, messages)
}

func TestRecallTakesContentAway(t *testing.T) {
	t.Parallel()
	s := open(t)
	first, second, third := text(1, "secret one"), text(2, "secret two"), text(3, "secret three")
	put(t, s, first, second)
	recalled := func(m archive.Message) archive.Message {
		m.Recalled = true
		return m
	}
	put(t, s, recalled(first), recalled(third)) // one there, one new
	put(t, s, first, third)                     // late ones change nothing
	var raw []bson.M
	cursor, err := s.messages.Find(t.Context(), bson.D{})
	require.NoError(t, err)
	require.NoError(t, cursor.All(t.Context(), &raw))
	require.Len(t, raw, 3)
	for _, d := range raw {
		kept := d["_id"] == second.Mid
		for _, field := range []string{"body", "grams"} {
			_, there := d[field]
			require.Equal(t, kept, there, "%s of %s", field, d["_id"])
		}
	}
	found, err := s.Search(t.Context(), archive.SearchQuery{Words: []string{"secret"}, Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []archive.Message{second}, found)
}

func TestSearchFindsEveryPartOfAText(t *testing.T) {
	t.Parallel()
	s := open(t)
	texts := []string{
		"订单什么时候发货", "我的订单呢?", "Wo ist mein Paket, bitte?", "a.c (x) [y] $z ^", "x", "two  words\nand lines",
		"😀 emoji 👍🏽", "ÄÖÜ straße İstanbul", strings.Repeat("ab", 300),
	}
	for i, words := range texts {
		put(t, s, text(int64(i+1), words))
	}
	for i, words := range texts {
		letters := []rune(archive.Fold(words))
		for from := range letters {
			for _, to := range []int{from + 1, from + 2, from + 5, len(letters)} {
				if to > len(letters) || i == len(texts)-1 && from > 3 {
					continue
				}
				word := string(letters[from:to])
				found, err := s.Search(t.Context(), archive.SearchQuery{Words: []string{word}, Limit: 99})
				require.NoError(t, err)
				require.Contains(t, found, text(int64(i+1), words), "%q", word)
				for _, m := range found {
					require.Contains(t, archive.Fold(m.Text()), word)
				}
			}
		}
	}
	for _, none := range []string{"发订", "axc", "ac", "\xff", "a\x00", "nothing"} {
		found, err := s.Search(t.Context(), archive.SearchQuery{Words: []string{none}, Limit: 99})
		require.NoError(t, err, "%q", none)
		require.Empty(t, found, "%q", none)
	}
}

func TestGrams(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"abc", "bc ", "c a", "bc", "c"}, grams("abc abc"))
	require.Equal(t, []string{"发货", "货o", "ok?", "k?", "?"}, grams("发货ok?"))
	require.Empty(t, grams(""))
	require.Empty(t, grams(" \n"))
	require.Equal(t, []string{"ab", "b", "cde", "de", "e"}, grams("ab\x00cde\x00"))
	var b strings.Builder
	for i := range rune(maxGrams) {
		b.WriteRune(0x10000 + i)
	}
	require.Len(t, grams(b.String()), maxGrams)
	b.WriteRune('!')
	require.Equal(t, []string{anyGram}, grams(b.String()))
	require.Len(t, lookups([]string{b.String()}), maxLookups)
}

func TestSearchFindsATextOfTooManyGrams(t *testing.T) {
	t.Parallel()
	s := open(t)
	var b strings.Builder
	for i := range rune(maxGrams + 10) {
		b.WriteRune(0x10000 + i)
	}
	m := text(1, "")
	m.Body = `"` + b.String() + `needle"`
	put(t, s, m, text(2, "needle"))
	for _, word := range []string{"needle", "d"} {
		found, err := s.Search(t.Context(), archive.SearchQuery{Words: []string{word}, Limit: 9})
		require.NoError(t, err)
		require.Equal(t, []archive.Message{text(2, "needle"), m}, found)
	}
}
