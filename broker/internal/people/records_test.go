package people

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// What is kept of profiles and tokens makes them what they were in a Redis that has lost them.
func TestRecordsBringBackProfilesAndTokens(t *testing.T) {
	server := testenv.Redis(t)
	old, ps := start(t, testenv.Redis(t).URL()), start(t, server.URL())
	ctx, ann, uma, ben := t.Context(), name("ann"), name("uma"), name("ben")
	token, _, err := old.Issue(ctx, chat.Identity{Role: chat.RoleAgent, ID: ann, Name: "Ann"}, time.Hour)
	require.NoError(t, err)
	_, err = old.SetAgent(ctx, ann, chat.AgentSettings{Queues: []string{"a", "b"}, Capacity: 3})
	require.NoError(t, err)
	require.NoError(t, old.Block(ctx, uma, chat.UserSettings{Blocked: true, Reason: "rude"}))
	require.NoError(t, old.Block(ctx, ben, chat.UserSettings{}))

	pipe := ps.store.Redis.Pipeline()
	for _, who := range []string{"a:" + ann, "u:" + uma, "u:" + ben, "u:" + name("nobody")} {
		record, err := old.ProfileRecord(ctx, who)
		require.NoError(t, err)
		ps.RestoreProfile(ctx, pipe, who, record, time.Hour)
	}
	hash := tokenHash(token)
	record, expires, err := old.TokenRecord(ctx, hash)
	require.NoError(t, err)
	ps.RestoreToken(ctx, pipe, hash, record, expires)
	_, err = pipe.Exec(ctx)
	require.NoError(t, err)
	require.NoError(t, ps.Recount(ctx))

	id, err := ps.Authenticate(ctx, token)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, id.Queues)
	require.Equal(t, 3, id.Capacity)
	named, err := ps.Named(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"a": true, "b": true}, named)
	agents, err := ps.Agents(ctx)
	require.NoError(t, err)
	require.Len(t, agents, 1)
	for _, q := range []string{"a", "b"} {
		crew, _ := crewOfAll(t, ps, q)
		require.Equal(t, []string{ann}, crew)
	}
	for user, barred := range map[string]bool{uma: true, ben: false} {
		blocked, err := ps.Blocked(ctx, user)
		require.NoError(t, err)
		require.Equal(t, barred, blocked, user)
		left, err := server.Client().TTL(ctx, ps.store.Home(user).Profile("u:"+user)).Result()
		require.NoError(t, err)
		require.Equal(t, !barred, left > 0, "who is barred is so for good")
	}
	none, expires, err := old.TokenRecord(ctx, "gone")
	require.NoError(t, err)
	require.Nil(t, none)
	require.Zero(t, expires)
}
