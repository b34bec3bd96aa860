package store

import (
	"fmt"
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

// No id of one thing can name another's key.
func TestIdsCannotReachOtherKeys(t *testing.T) {
	p := newPartitions(1)[0]
	require.NotEqual(t, p.Load("x"), p.Profile("a:x:load"))
	require.NotEqual(t, p.Profile("a:x"), p.Profile("u:x"))
	b := &Store{Parts: newPartitions(16)}
	good := b.NewSessionID("uma")
	for _, id := range []string{"", "-", "00-", "zz-" + good[3:], "ff-" + good[3:], good + ":log", good[:28], "0A-" + good[3:],
		good[:3] + "\x00" + good[4:], "00-" + fmt.Sprintf("%026d", 0) + "0"} {
		_, ok := b.Of(id)
		require.False(t, ok, "%q", id)
	}
	_, ok := b.Of(good)
	require.True(t, ok)
}

func FuzzSessionID(f *testing.F) {
	b := &Store{Parts: newPartitions(16)}
	for _, s := range []string{"", "00-01J0000000000000000000000Z", b.NewSessionID("x"), "{}", "0f-\x00", "ff-01J0000000000000000000000Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := b.Of(s)
		if ok && (len(s) != 29 || p.Index >= 16) {
			t.Fatalf("%q is taken for a session's id", s)
		}
	})
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
