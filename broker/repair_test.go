package broker

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// found runs the product's own audit on a Redis, and gives what it says of each promise.
func audited(t testing.TB, url string, repair bool) map[int]int {
	t.Helper()
	rdb, err := Dial(url)
	require.NoError(t, err)
	defer func() { _ = rdb.Close() }()
	list, err := Audit(t.Context(), Options{Redis: rdb, Archive: archiveOf(t, url)}, AuditOptions{Rate: 1e6, Slack: -time.Hour, Repair: repair})
	require.NoError(t, err)
	out := map[int]int{}
	for _, v := range list {
		t.Log(v)
		out[v.Promise]++
	}
	return out
}

// What a fall-back can leave behind and nobody noticed, the audit sees, and mends when told to.
func TestAuditRepairs(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	b := startNode(t, url)
	ctx, q := t.Context(), name("q")
	ann, bea := agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
	uma, ben, joe := user(t, b, name("uma")), user(t, b, name("ben")), user(t, b, name("joe"))
	lost, ended, kept := uma.open(q), ben.open(q), joe.open(q)
	for _, s := range []chat.Session{lost, ended, kept} {
		ann.grab(s.ID)
		archived(t, b, s.ID)
	}
	clean(t, b)
	require.Empty(t, audited(t, url, false))

	// A place is gone, another is held for nothing, one agent does not know of its session.
	home, p := b.store.Home(ann.ID), b.store.Home("ghost")
	token := b.store.Redis.HGet(ctx, home.Load(ann.ID), kept.ID).Val()
	require.NoError(t, b.store.Redis.HDel(ctx, home.Load(ann.ID), kept.ID).Err())
	require.NoError(t, b.store.Redis.HDel(ctx, home.Mine("a:"+ann.ID), ended.ID).Err())
	require.NoError(t, b.store.Redis.HSet(ctx, b.store.Home(bea.ID).Load(bea.ID), kept.ID, token).Err())
	// A session of the archive's is not in Redis, another is there in an older form.
	at, _ := b.store.Of(lost.ID)
	before := imageOf(t, b, at)
	_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: lost.ID})
	require.NoError(t, err)
	archived(t, b, lost.ID)
	before.restore(t, b, at)
	other := name("gone")
	for b.store.Home(other).Index == at.Index { // there, the node itself sees what fell back, and mends it
		other = name("gone")
	}
	gone := user(t, b, other).open(q)
	archived(t, b, gone.ID)
	g, _ := b.store.Of(gone.ID)
	require.NoError(t, b.store.Redis.Del(ctx, g.Session(gone.ID), g.Log(gone.ID), g.Unread(gone.ID), g.Read(gone.ID)).Err())
	require.NoError(t, b.store.Redis.ZRem(ctx, g.Sessions(), gone.ID).Err())
	require.NoError(t, b.store.Redis.ZRem(ctx, g.Waiting(q), gone.ID).Err())
	// An agent is not listed as one of its queue, and is as one of another.
	require.NoError(t, b.store.Redis.ZRem(ctx, home.Crews(), q+chat.SepField+ann.ID).Err())
	hers := b.store.Home(bea.ID)
	require.NoError(t, b.store.Redis.ZAdd(ctx, hers.Crews(), redis.Z{Member: name("q") + chat.SepField + bea.ID}).Err())
	// A connection is registered at a node that nobody knows.
	require.NoError(t, b.store.Redis.HSet(ctx, p.Conns("u:ghost"), "phone", "01GONE/1.1").Err())

	require.Subset(t, keysOfInt(audited(t, url, false)), []int{4, 6, 7})
	require.Empty(t, audited(t, url, true))
	require.Zero(t, b.store.Redis.HLen(context.Background(), p.Conns("u:ghost")).Val())
	st, err := b.sessions.Look(ctx, lost.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Ended, st.State)
	st, err = b.sessions.LookLive(ctx, gone.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Waiting, st.State)
	clean(t, b)
}

func keysOfInt(m map[int]int) []int {
	var out []int
	for k := range m {
		out = append(out, k)
	}
	return out
}
