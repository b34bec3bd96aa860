package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// The Go client's calls for labels and users.
func TestPeopleByTheClient(t *testing.T) {
	d, ctx, umaID := newDesk(t), t.Context(), name("uma/?")
	ann := dial(t, d.node, client.TokenRequest{Role: "agent", ID: name("ann"), Queues: []string{d.q}})
	s := d.open(umaID, "help")
	_, err := ann.Grab(ctx, s)
	require.NoError(t, err)
	labelled, err := ann.Label(ctx, s, []string{"vip", "old"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"old", "vip"}, labelled.Labels)
	labelled, err = d.host.Label(ctx, s, nil, []string{"old"})
	require.NoError(t, err)
	require.Equal(t, []string{"vip"}, labelled.Labels)

	for label, n := range map[string]int{"vip": 1, "old": 0} {
		found, _, err := ann.Sessions(ctx, client.SessionsRequest{Label: label})
		require.NoError(t, err)
		require.Len(t, found, n, label)
	}

	require.NoError(t, d.host.BlockUser(ctx, umaID, "rude"))
	card, err := d.host.User(ctx, umaID)
	require.NoError(t, err)
	require.Equal(t, []any{umaID, true, "rude"}, []any{card.ID, card.Blocked, *card.Reason})
	require.Len(t, card.Sessions, 1)
	require.Equal(t, []any{s, "help", []string{"vip"}, ann.id}, []any{card.Sessions[0].ID, card.Sessions[0].Subject,
		card.Sessions[0].Labels, card.Sessions[0].Agent.ID})
	_, err = d.host.SendMessage(ctx, s, client.HostMessage{As: "user", Body: "x"})
	code(t, "blocked", err)
	require.NoError(t, d.host.UnblockUser(ctx, umaID))
	_, err = d.host.SendMessage(ctx, s, client.HostMessage{As: "user", Body: "x"})
	require.NoError(t, err)
}
