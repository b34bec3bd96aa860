package broker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Redis is emptied under running nodes: they say so and build nothing on it, a
// restore goes into it while they run, and then everybody goes on.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	nodes := []*Broker{startNode(t, server.URL()), startNode(t, server.URL())}
	b, ctx, q := nodes[0], t.Context(), name("q")
	uma, ann := user(t, b, name("uma")), agent(t, nodes[1], name("ann"), q)
	_, err := nodes[1].SetStatus(ctx, ann.Actor, chat.Away)
	require.NoError(t, err)
	token, _, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: uma.ID}, time.Hour)
	require.NoError(t, err)
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "kept")
	archived(t, b, s.ID)
	for _, p := range b.store.Parts {
		eventually(t, func() bool { return b.store.Redis.ZCard(ctx, p.Dirty()).Val() == 0 })
	}
	p, _ := b.store.Of(s.ID)
	eventually(t, func() bool { n, _ := b.store.Redis.HGet(ctx, p.Epoch(), "ticks").Int(); return n > 2 })

	require.NoError(t, server.Client().FlushAll(ctx).Err())
	for _, n := range nodes {
		eventually(t, func() bool { return n.Ready(ctx) != nil })
	}
	_, err = b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"no"`)})
	code(t, chat.CodeUnavailable, err)
	_, err = b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("new")}, Queue: q})
	code(t, chat.CodeUnavailable, err)
	_, err = b.Authenticate(ctx, token)
	code(t, chat.CodeUnavailable, err)

	rdb, err := Dial(server.URL())
	require.NoError(t, err)
	defer func() { _ = rdb.Close() }()
	done, err := Restore(ctx, Options{Redis: rdb, Archive: archiveOf(t, server.URL())}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, done.Sessions)
	for _, n := range nodes {
		eventually(t, func() bool { return n.Ready(ctx) == nil })
	}
	_, err = b.Authenticate(ctx, token)
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"goes on"`)})
		return err == nil
	})
	ann.await("message", func(e event) bool { return e["body"] == "goes on" })
	eventually(t, func() bool {
		return b.store.Redis.HLen(ctx, b.store.Home(ann.ID).Conns("a:"+ann.ID)).Val() == 1 && statusOf(t, b, ann.ID) == chat.Away
	})
	require.Equal(t, []string{"kept", "goes on"}, texts(t, b, ann.Actor, s.ID))
	clean(t, b)
}

// A Redis that holds anything else is not restored into.
func TestRestoreNeedsAnEmptyRedis(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	ctx := t.Context()
	require.NoError(t, server.Client().Set(ctx, "somebody:else", 1, 0).Err())
	rdb, err := Dial(server.URL())
	require.NoError(t, err)
	defer func() { _ = rdb.Close() }()
	_, err = Restore(ctx, Options{Redis: rdb, Archive: archiveOf(t, server.URL())}, nil)
	require.ErrorIs(t, err, ErrNotEmpty)
}
