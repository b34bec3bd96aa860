package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// What was written is read, a plain number as an earlier version wrote and understands it; nothing else is.
func TestRecordsOfPartitions(t *testing.T) {
	for _, r := range []Record{
		{Numbering: Numbering{Partitions: 16, Named: true}},
		{Numbering: Numbering{Partitions: 64}},
		{Numbering: Numbering{Partitions: 16, Named: true}, Next: &Numbering{Partitions: 64, Generation: 1}},
		{Numbering: Numbering{Partitions: 64, Generation: 1}, Clean: []Numbering{{Partitions: 16, Named: true}}},
	} {
		got, err := ParseRecord(r.Text())
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	require.Equal(t, "16", Record{Numbering: Numbering{Partitions: 16, Named: true}}.Text())
	for _, text := range []string{"", "0", "-1", "257", "16.5", "{}", `{"partitions":0}`, `{"partitions":4,"generation":-1}`, `{"partitions":4,"next":{}}`, "[]"} {
		_, err := ParseRecord(text)
		require.Error(t, err, text)
	}
}

// Wherever its partition is, a session's id says so under every numbering, and is its user's.
func TestSessionsStayWithTheirUsers(t *testing.T) {
	first := &Store{Numbering: Numbering{Partitions: 64}, Parts: newPartitions(64, 0)}
	loads := map[int]int{}
	for i := range 2000 {
		user := fmt.Sprint("user ", i)
		id := first.NewSessionID(user)
		for g, n := range []int{1, 3, 7, 16, 64, 100, 256} {
			s := &Store{Numbering: Numbering{Partitions: n, Generation: g}, Parts: newPartitions(n, g)}
			p, ok := s.Of(id)
			require.True(t, ok)
			require.Equal(t, s.Home(user), p)
			require.True(t, s.Known(id))
			if n == 16 {
				loads[p.Index]++
			}
		}
	}
	require.Len(t, loads, 16)
	for i, n := range loads {
		require.InDelta(t, 125, n, 60, "partition %d", i)
	}
}

// No two generations share a tag, whatever their numbers.
func TestGenerationsShareNoTag(t *testing.T) {
	for _, g := range []int{1, 35, 36, 1295} { // as deploy/redis-users.acl lets them pass
		for _, tag := range partitionTags(256, g) {
			require.Regexp(t, `^[0-9a-z]{1,3}\.[0-9a-z]{1,2}$`, tag)
		}
	}
	seen := map[string]bool{}
	for g := range 40 {
		for _, tag := range partitionTags(64, g) {
			require.False(t, seen[tag], tag)
			seen[tag] = true
		}
	}
}

// A session of before is found where it is, and nowhere only if everybody says so.
func TestSessionsOfBeforeAreFound(t *testing.T) {
	rdb := testenv.Client(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	s := &Store{Redis: rdb, Life: ctx, Numbering: Numbering{Partitions: 7, Generation: 35}, Parts: newPartitions(7, 35)}
	user := testenv.Name("uma")
	id := named().NewSessionID(user)
	_, ok := s.Of(id)
	require.True(t, ok)
	require.False(t, s.Known(id))

	home := s.Home(user)
	require.NoError(t, rdb.HSet(ctx, home.Session(id), "user", user).Err())
	p, ok := s.Of(id)
	require.True(t, ok)
	require.Equal(t, home, p)
	require.True(t, s.Known(id))
	require.NoError(t, rdb.Del(ctx, home.Session(id)).Err())
	p, _ = s.Of(id)
	require.Equal(t, home, p, "what was found is remembered")

	archived := named().NewSessionID(user)
	s.Learn(archived, user)
	p, _ = s.Of(archived)
	require.Equal(t, home, p)

	require.NoError(t, rdb.Close())
	p, ok = s.Of(named().NewSessionID(user))
	require.True(t, ok)
	require.Equal(t, lost, p)
}

// What is remembered of sessions of before is bounded.
func TestSessionsOfBeforeAreBounded(t *testing.T) {
	var o older
	for i := range mostOlder + 10 {
		o.put(fmt.Sprint(i), 1)
	}
	require.Len(t, o.by, mostOlder)
}
