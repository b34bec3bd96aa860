package broker

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// Every 1/P of the slot space holds the tag of one partition.
func TestPartitionTagsAreSpreadEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 16, 32, 100, 256} {
		tags := partitionTags(n)
		require.Len(t, tags, n)
		for i, tag := range tags {
			require.Equal(t, i, slot(tag)*n/slots, "tag %q of %d", tag, n)
			require.LessOrEqual(t, len(tag), 3)
		}
	}
}

// The slot function is Redis's own.
func TestSlotIsRedis(t *testing.T) {
	rdb := testenv.Client(t, testenv.Shared(t, testenv.EngineCluster))
	for _, tag := range append(partitionTags(64), "123456789", "") {
		n, err := rdb.ClusterKeySlot(t.Context(), tag).Result()
		require.NoError(t, err)
		require.EqualValues(t, n, slot(tag))
	}
}

// A participant's sessions live with it, and all its keys in one slot.
func TestKeysOfAPartitionShareASlot(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineCluster))
	rdb := admin(t, b)
	odd := "a}b{c}:load *?\u4f60 x"
	p := b.home(odd)
	s := b.newSessionID(odd)
	got, ok := b.of(s)
	require.True(t, ok)
	require.Equal(t, p, got)
	keys := append(p.transition(s, p.waiting(odd), p.open(odd), p.load(odd)), p.profile("u:"+odd), p.conns("a:"+odd),
		p.mine("a:"+odd), p.listed("a:"+odd), p.token(odd), p.node(odd))
	want, err := rdb.ClusterKeySlot(t.Context(), keys[0]).Result()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, k := range keys {
		n, err := rdb.ClusterKeySlot(t.Context(), k).Result()
		require.NoError(t, err)
		require.Equal(t, want, n, k)
		require.False(t, seen[k], k)
		seen[k] = true
	}
}

// No id of one thing can name another's key.
func TestIdsCannotReachOtherKeys(t *testing.T) {
	p := newPartitions(1)[0]
	require.NotEqual(t, p.load("x"), p.profile("a:x:load"))
	require.NotEqual(t, p.profile("a:x"), p.profile("u:x"))
	b := &Broker{parts: newPartitions(16)}
	good := b.newSessionID("uma")
	for _, id := range []string{"", "-", "00-", "zz-" + good[3:], "ff-" + good[3:], good + ":log", good[:28], "0A-" + good[3:],
		good[:3] + "\x00" + good[4:], "00-" + fmt.Sprintf("%026d", 0) + "0"} {
		_, ok := b.of(id)
		require.False(t, ok, "%q", id)
	}
	_, ok := b.of(good)
	require.True(t, ok)
}

// The number of partitions is fixed by the first start.
func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	url := testenv.Redis(t).URL()
	open := func(n int) error {
		rdb, err := Dial(url)
		require.NoError(t, err)
		defer func() { _ = rdb.Close() }()
		b, err := New(t.Context(), Options{Redis: rdb, Partitions: n, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			require.Len(t, b.parts, 4)
			require.NoError(t, b.Close(t.Context()))
		}
		return err
	}
	require.NoError(t, open(4))
	require.NoError(t, open(0))
	require.ErrorIs(t, open(5), ErrPartitions)
	require.ErrorIs(t, open(257), ErrPartitions)
}

func FuzzSessionID(f *testing.F) {
	b := &Broker{parts: newPartitions(16)}
	for _, s := range []string{"", "00-01J0000000000000000000000Z", b.newSessionID("x"), "{}", "0f-\x00", "ff-01J0000000000000000000000Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := b.of(s)
		if ok && (len(s) != 29 || p.index >= 16) {
			t.Fatalf("%q is taken for a session's id", s)
		}
	})
}
