package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// A participant's sessions live with it, and all its keys in one slot.
func TestKeysOfAPartitionShareASlot(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineCluster))
	rdb := admin(t, b)
	odd := "a}b{c}:load *?\u4f60 x"
	p := b.store.Home(odd)
	s := b.store.NewSessionID(odd)
	got, ok := b.store.Of(s)
	require.True(t, ok)
	require.Equal(t, p, got)
	keys := append(p.Transition(s, p.Waiting(odd), p.Open(odd), p.Load(odd)), p.Profile("u:"+odd), p.Conns("a:"+odd),
		p.Mine("a:"+odd), p.Listed("a:"+odd), p.Token(odd), p.Node(odd))
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

// The number of partitions is fixed by the first start.
func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	url := testenv.Redis(t).URL()
	open := func(n int) error {
		rdb, err := Dial(url)
		require.NoError(t, err)
		defer func() { _ = rdb.Close() }()
		b, err := New(t.Context(), Options{Redis: rdb, Partitions: n, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			require.Len(t, b.store.Parts, 4)
			require.NoError(t, b.Close(t.Context()))
		}
		return err
	}
	require.NoError(t, open(4))
	require.NoError(t, open(0))
	require.ErrorIs(t, open(5), ErrPartitions)
	require.ErrorIs(t, open(257), ErrPartitions)
}

// What Redis says counts, or where it is empty its archive, and not how many a new deployment gets: one of an earlier
// version keeps the 16 it has, and nodes of that version understand all that this one writes.
func TestADeploymentOfBeforeKeepsItsPartitions(t *testing.T) {
	ctx := t.Context()
	fresh := deploymentOf(t, testenv.Redis(t).URL(), 0)
	b, leave := fresh.node()
	require.Equal(t, store.Numbering{Partitions: 64}, b.store.Numbering)
	leave()

	before := deploymentOf(t, testenv.Redis(t).URL(), 16)
	emptied := &movable{t: t, url: testenv.Redis(t).URL(), archive: before.archive}
	emptied.rdb = testenv.Client(t, emptied.url)
	for _, d := range []*movable{before, emptied} {
		b, leave = d.node()
		require.Equal(t, store.Numbering{Partitions: 16, Named: true}, b.store.Numbering)
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: "uma"}})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%02x-", b.store.Home("uma").Index), s.ID[:3])
		require.Equal(t, "16", d.rdb.Get(ctx, store.PartitionsKey).Val())
		leave()
	}
}

// Where masters have nothing to do, the log says so at the start, and whoever asks is told.
func TestMastersWithoutPartitions(t *testing.T) {
	url := testenv.Cluster(t).URL()
	for _, c := range []struct {
		partitions int
		want       Spread
		says       string
	}{
		{2, Spread{2, 3, 2}, "fewer partitions than masters"},
		{3, Spread{3, 3, 3}, ""},
	} {
		rdb := testenv.Client(t, url)
		require.NoError(t, rdb.Del(t.Context(), store.PartitionsKey).Err())
		var log bytes.Buffer
		b, err := New(t.Context(), Options{Redis: rdb, Partitions: c.partitions, Log: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		got, err := b.Spread(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, c.want, got)
		require.Equal(t, c.says != "", strings.Contains(log.String(), "masters"), log.String())
		require.Contains(t, log.String(), c.says)
	}
}
