package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A session's whole life over two nodes: opened, grabbed, talked in, transferred, ended.
func TestLifeOfASession(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		q := name("q")
		ctx := t.Context()
		ann, bea := agent(t, b, name("ann"), q), agent(t, a, name("bea"), q)
		views, err := b.Watch(ctx, ann.Actor, nil)
		require.NoError(t, err)
		require.Equal(t, 0, views[0].Size)

		uma := user(t, a, name("uma"))
		s := uma.open(q)
		require.Equal(t, chat.Waiting, s.State)
		require.EqualValues(t, 1, s.Seq)
		again := uma.open(q)
		require.Equal(t, s, again)
		ann.await("queue", func(e event) bool { return e["added"] != nil })
		uma.await("position", inSession(s.ID))

		require.EqualValues(t, 2, uma.send(s.ID, "hello?").Seq)
		got := ann.grab(s.ID)
		require.Equal(t, chat.Serving, got.State)
		require.EqualValues(t, 1, got.Unread)
		require.EqualValues(t, 3, got.Seq)
		ann.await("queue", func(e event) bool { return e["removed"] == s.ID && e["by"] == ann.ID })
		uma.await("session", func(e event) bool { return e["session"].(map[string]any)["state"] == "serving" })
		_, err = a.Grab(ctx, bea.Actor, s.ID)
		code(t, chat.CodeTaken, err)
		require.Equal(t, ann.ID, chat.AsError(err).By)

		ann.send(s.ID, "hi!")
		m := uma.await("message", func(e event) bool { return e["body"] == "hi!" })
		require.EqualValues(t, 4, m["seq"])
		uma.await("unread", func(e event) bool { return e["session"] == s.ID && e["unread"] == 1.0 && e["total"] == 1.0 })
		r, err := a.Read(ctx, uma.Actor, s.ID, 99)
		require.NoError(t, err)
		require.Equal(t, chat.ReadReply{Unread: 0, ReadSeq: 4}, r)
		ann.await("read", func(e event) bool { return e["by"] == uma.ID && e["seq"] == 4.0 })

		offered, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID, Note: "yours"})
		require.NoError(t, err)
		require.Equal(t, chat.Transferring, offered.State)
		o := bea.await("offer", nil)
		require.Equal(t, "yours", o["note"])
		mine, err := a.Accept(ctx, bea.Actor, s.ID)
		require.NoError(t, err)
		require.Equal(t, bea.ID, mine.Agent.ID)
		require.EqualValues(t, 2, mine.Unread) // hello?, hi!
		bea.await("offer-ended", inSession(s.ID))
		ann.await("session", func(e event) bool { return e["session"].(map[string]any)["agent"].(map[string]any)["id"] == bea.ID })

		ending, err := a.End(ctx, bea.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		require.Equal(t, chat.Ending, ending.State)
		ended, err := a.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		require.Equal(t, chat.Ended, ended.State)
		h, err := a.History(ctx, uma.Actor, chat.HistoryRequest{Session: s.ID, After: 0, Before: -1})
		require.NoError(t, err)
		require.False(t, h.More)
		for i, m := range h.Messages {
			require.EqualValues(t, i+1, m.Seq)
		}
		require.EqualValues(t, ended.Seq, len(h.Messages))
		reply, err := a.SetStatus(ctx, bea.Actor, chat.Online)
		require.NoError(t, err)
		require.Equal(t, 0, reply.Load)
		next := user(t, a, name("uma")).open(q)
		ann.grab(next.ID)
	})
}
