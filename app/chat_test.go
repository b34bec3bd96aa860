package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// Two people chat through two nodes, on every engine.
func TestChat(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q, ctx := name("q"), t.Context()
		ann, bea, uma := agent(t, b, q), agent(t, a, q), user(t, a)
		_, err := ann.Watch(ctx)
		require.NoError(t, err)
		s := uma.open(q)
		await(ann, func(e *client.Queue) bool { return e.Added != nil && e.Added.ID == s.ID })
		got, err := ann.Grab(ctx, s.ID)
		require.NoError(t, err)
		require.Equal(t, "serving", got.State)
		_, err = bea.Grab(ctx, s.ID)
		require.Equal(t, ann.id, code(t, "taken", err).By)
		uma.say(s.ID, "hello")
		m := await(ann, func(e *client.MessageEvent) bool { return e.Text() == "hello" })
		require.EqualValues(t, 3, m.Seq)
		await(ann, func(e *client.Unread) bool { return e.Unread == 1 && e.Total == 1 })
		r, err := ann.Read(ctx, s.ID, m.Seq)
		require.NoError(t, err)
		require.Zero(t, r.Unread)
		await(uma, func(e *client.Read) bool { return e.By == ann.id && e.Seq == 3 })
		require.NoError(t, uma.Typing(s.ID, "so…"))
		require.Equal(t, "so…", await(ann, func(*client.Typing) bool { return true }).Text)

		_, err = ann.TransferToAgent(ctx, s.ID, bea.id, "please")
		require.NoError(t, err)
		await(bea, func(e *client.Offer) bool { return e.Note == "please" && e.From == ann.id })
		_, err = bea.Accept(ctx, s.ID)
		require.NoError(t, err)
		bea.say(s.ID, "bea here")
		sent := await(uma, func(e *client.MessageEvent) bool { return e.Text() == "bea here" })
		require.NoError(t, bea.Recall(ctx, s.ID, sent.Seq))
		await(uma, func(e *client.Recalled) bool { return e.Seq == sent.Seq })
		h, err := uma.History(ctx, client.HistoryRequest{Session: s.ID})
		require.NoError(t, err)
		for _, m := range h.Messages {
			require.NotContains(t, string(m.Body), "bea here")
		}
		_, err = bea.End(ctx, s.ID, "", false)
		require.NoError(t, err)
		ended, err := uma.End(ctx, s.ID, "", false)
		require.NoError(t, err)
		require.Equal(t, "ended", ended.State)
	})
}
