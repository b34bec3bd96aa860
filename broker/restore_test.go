package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A Redis that lost everything is rebuilt: those who come back see what they had.
func TestRestore(t *testing.T) {
	testenv.Each(t, func(t *testing.T, url string) {
		store := archiveOf(t, url)
		b := startNode(t, url, soon)
		q, ctx := name("q"), t.Context()
		_, err := b.PutQueue(ctx, chat.Actor{Host: true}, chat.QueueSettings{ID: q, Routing: "grab", AbandonTimeout: 777, AgentGrace: 30, Sticky: 86400})
		require.NoError(t, err)
		token, _, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: name("tok")}, 0)
		require.NoError(t, err)
		uma, ann, bea := user(t, b, name("uma")), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		served, waits, offered := uma.open(q), user(t, b, name("wim")).open(q), user(t, b, name("ola")).open(q)
		ann.grab(served.ID)
		ann.grab(offered.ID)
		_, err = b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: offered.ID, Agent: bea.ID})
		require.NoError(t, err)
		for i := range 450 {
			uma.send(served.ID, fmt.Sprint(i))
		}
		keyed, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: served.ID, Body: json.RawMessage(`"once"`), Key: "once"})
		require.NoError(t, err)
		require.NoError(t, b.Recall(ctx, uma.Actor, served.ID, keyed.Seq-1))
		_, err = b.Read(ctx, ann.Actor, served.ID, 100)
		require.NoError(t, err)
		sticky := user(t, b, name("uma"))
		ended := sticky.open(q)
		ann.grab(ended.ID)
		_, err = b.End(ctx, sticky.Actor, chat.EndRequest{Session: ended.ID})
		require.NoError(t, err)
		label(t, b, ann.Actor, served.ID, []string{"vip", "投诉"}, nil)
		before := map[string]chat.Session{}
		for _, id := range []string{served.ID, waits.ID, offered.ID} {
			archived(t, b, id)
			before[id], err = b.sessions.Session(ctx, ann.Actor, id)
			require.NoError(t, err)
		}
		all := history(t, b, ann.Actor, served.ID, 200)
		require.NoError(t, b.archiver.Flush(ctx))

		fresh := testenv.Redis(t).URL()
		rdb, err := Dial(fresh)
		require.NoError(t, err)
		t.Cleanup(func() { _ = rdb.Close() })
		o := Options{Redis: rdb, Archive: store, Log: slog.New(slog.DiscardHandler)}
		stopped, stop := context.WithCancel(ctx)
		_, err = Restore(stopped, o, func(done, _ int) {
			if done == 1 {
				stop()
			}
		})
		require.Error(t, err, "stopped half way")
		_, err = New(ctx, o)
		require.ErrorIs(t, err, ErrRestoring)
		done, err := Restore(ctx, o, nil)
		require.NoError(t, err)
		require.Equal(t, 3, done.Sessions)
		_, err = Restore(ctx, o, nil)
		require.ErrorIs(t, err, ErrNotEmpty)

		c, err := New(ctx, Options{Redis: rdb, SendRate: -1, Archive: store, ArchiveDelay: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		clean(t, c)
		_, err = c.Authenticate(ctx, token)
		require.NoError(t, err)
		settings, err := c.Queue(ctx, chat.Actor{Host: true}, q)
		require.NoError(t, err)
		require.Equal(t, 777, settings.AbandonTimeout)
		ann2, bea2, uma2 := agent(t, c, ann.ID, q), agent(t, c, bea.ID, q), user(t, c, uma.ID)
		for id, was := range before {
			is, err := c.sessions.Session(ctx, ann2.Actor, id)
			require.NoError(t, err)
			require.Equal(t, was, is)
		}
		require.Equal(t, all, history(t, c, ann2.Actor, served.ID, 200))
		dup, err := c.Send(ctx, uma2.Actor, chat.SendRequest{Session: served.ID, Body: json.RawMessage(`"once"`), Key: "once"})
		require.NoError(t, err)
		require.True(t, dup.Duplicate)
		require.Equal(t, keyed.Seq, dup.Seq)
		require.Equal(t, before[served.ID].Seq+1, uma2.send(served.ID, "on we go").Seq)
		_, err = c.Accept(ctx, bea2.Actor, offered.ID)
		require.NoError(t, err)
		again := user(t, c, sticky.ID).open(q)
		require.Equal(t, again.ID, ann2.await("offer", nil)["session"].(map[string]any)["id"], "her last agent is known")
		_, err = c.End(ctx, host, chat.EndRequest{Session: again.ID})
		require.NoError(t, err)
		got, err := c.GrabQueue(ctx, bea2.Actor, q)
		require.NoError(t, err)
		require.Equal(t, waits.ID, got.ID)
		clean(t, c)
	})
}

// Keys outlive a restore, also of what was whispered and of what was recalled: a
// repeat makes no second message.
func TestKeysOutliveARestore(t *testing.T) {
	t.Parallel()
	lost, fresh := testenv.Redis(t).URL(), testenv.Redis(t).URL()
	b, ctx, q := startNode(t, lost), t.Context(), name("q")
	ann, uma := agent(t, b, name("ann"), q), user(t, b, name("uma"))
	boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("boss")}, "")
	s := uma.open(q)
	ann.grab(s.ID)
	whisper := WhisperRequest{Session: s.ID, Text: "careful", Key: "w"}
	said, gone := chat.SendRequest{Session: s.ID, Body: []byte(`"kept"`), Key: "k"}, chat.SendRequest{Session: s.ID, Body: []byte(`"oops"`), Key: "r"}
	whispered, err := b.Whisper(ctx, boss.Actor, whisper)
	require.NoError(t, err)
	kept, err := b.Send(ctx, uma.Actor, said)
	require.NoError(t, err)
	recalled, err := b.Send(ctx, uma.Actor, gone)
	require.NoError(t, err)
	archived(t, b, s.ID)
	require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, recalled.Seq))
	atOnce := chat.SendRequest{Session: s.ID, Body: []byte(`"no"`), Key: "at once"} // recalled before it is archived
	unsaid, err := b.Send(ctx, uma.Actor, atOnce)
	require.NoError(t, err)
	require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, unsaid.Seq))
	archived(t, b, s.ID)

	rdb, err := Dial(fresh)
	require.NoError(t, err)
	defer func() { _ = rdb.Close() }()
	store := archiveOf(t, lost)
	_, err = Restore(ctx, Options{Redis: rdb, Archive: store}, nil)
	require.NoError(t, err)
	again := startNode(t, fresh, func(o *Options) { o.Archive = store })
	for _, repeat := range []struct {
		first chat.SendReply
		do    func() (chat.SendReply, error)
	}{
		{whispered, func() (chat.SendReply, error) {
			return again.Whisper(ctx, chat.Actor{Identity: boss.Identity}, whisper)
		}},
		{kept, func() (chat.SendReply, error) { return again.Send(ctx, chat.Actor{Identity: uma.Identity}, said) }},
		{recalled, func() (chat.SendReply, error) { return again.Send(ctx, chat.Actor{Identity: uma.Identity}, gone) }},
		{unsaid, func() (chat.SendReply, error) { return again.Send(ctx, chat.Actor{Identity: uma.Identity}, atOnce) }},
	} {
		got, err := repeat.do()
		require.NoError(t, err)
		require.True(t, got.Duplicate)
		require.Equal(t, repeat.first.Seq, got.Seq)
		require.Equal(t, repeat.first.Mid, got.Mid)
	}
}
