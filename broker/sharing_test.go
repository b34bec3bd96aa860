package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/uploads"
	"bellhop/internal/testenv"
)

// shelf is a Files that keeps which messages send a file, and what it was told.
type shelf struct {
	mu     sync.Mutex
	told   []string
	sends  map[FileMessage]bool
	failed error
}

func (f *shelf) note(what string, m FileMessage, sends bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	f.told = append(f.told, what)
	if f.sends == nil {
		f.sends = map[FileMessage]bool{}
	}
	f.sends[m] = sends
	return nil
}

func (f *shelf) Sent(_ context.Context, _ chat.Actor, m FileMessage) error {
	return f.note("sent", m, true)
}
func (f *shelf) Unsent(_ context.Context, m FileMessage) error { return f.note("unsent", m, false) }
func (f *shelf) Recalled(_ context.Context, m FileMessage, back bool) error {
	return f.note(fmt.Sprint("recalled, back: ", back), m, back)
}

// readable is how many messages a file can be read for.
func (f *shelf) readable() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sends := range f.sends {
		if sends {
			n++
		}
	}
	return n
}

func (f *shelf) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told[len(f.told)-1]
}

// A message that is recalled takes its file with it, wherever the message lies;
// one that stays keeps it; one that was refused has none.
func TestARecalledMessageTakesItsFileWithIt(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		f := &shelf{}
		b := startNode(t, url, soon, func(o *Options) { o.Files = f })
		q, ctx := name("q"), t.Context()
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s := uma.open(q)
		ann.grab(s.ID)
		picture := json.RawMessage(`{"url":"/api/v1/files/1","name":"\"},\"type\":\"text\"","mime":"image/png"}`)
		send := func(kind, key string) chat.SendReply {
			t.Helper()
			r, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Type: kind, Body: picture, Key: key})
			require.NoError(t, err)
			return r
		}
		keyed, plain := send(chat.TypeImage, "k"), send(chat.TypeVideo, "")
		require.True(t, send(chat.TypeImage, "k").Duplicate)
		require.Equal(t, 2, f.readable(), "sent again with its key it is the same message")

		told := len(f.told)
		card := send(chat.TypeCard, "")
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, card.Seq))
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, uma.send(s.ID, "/files/1").Seq))
		code(t, chat.CodeForbidden, b.Recall(ctx, ann.Actor, s.ID, keyed.Seq))
		require.Len(t, f.told, told, "neither a card nor a text nor another's message is asked about")

		f.failed = chat.Errorf(chat.CodeUnavailable, "away")
		code(t, chat.CodeUnavailable, b.Recall(ctx, uma.Actor, s.ID, keyed.Seq))
		f.failed = nil
		require.False(t, history(t, b, ann.Actor, s.ID, 50)[keyed.Seq-1].Recalled, "not recalled without its file")
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, keyed.Seq))
		require.Equal(t, 1, f.readable())
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, keyed.Seq), "again")
		require.True(t, send(chat.TypeImage, "k").Duplicate, "and it stays a duplicate")

		for range 300 { // so that it leaves the log
			uma.send(s.ID, "x")
		}
		archived(t, b, s.ID)
		p, _ := b.store.Of(s.ID)
		require.Zero(t, len(b.store.Redis.XRange(ctx, p.Log(s.ID), fmt.Sprint(plain.Seq), fmt.Sprint(plain.Seq)).Val()))
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, plain.Seq))
		f.mu.Lock()
		for m, sends := range f.sends {
			require.Equal(t, sends, m.Ref == uploads.NewMessage(s.ID, "u:"+uma.ID, "k", "", string(picture)).Ref, "only the duplicate asked for it again")
		}
		f.mu.Unlock()

		_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		before := f.readable()
		_, err = b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeImage, Body: picture})
		code(t, chat.CodeEnded, err)
		require.Equal(t, "unsent", f.last())
		require.Equal(t, before, f.readable())
	})
}

// A recall that the script refuses leaves the file where it is.
func TestARecallThatIsTooLateLeavesTheFile(t *testing.T) {
	f := &shelf{}
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(o *Options) { o.Files = f })
	q, ctx := name("q"), t.Context()
	uma := user(t, b, name("uma"))
	s := uma.open(q)
	r, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeFile, Body: json.RawMessage(`{"url":"/api/v1/files/1"}`)})
	require.NoError(t, err)
	p, _ := b.store.Of(s.ID)
	entry := b.store.Redis.XRange(ctx, p.Log(s.ID), fmt.Sprint(r.Seq), fmt.Sprint(r.Seq)).Val()[0]
	values := []any{}
	for _, name := range []string{"at", "by", "key", "h", "b"} { // as they stand
		v := entry.Values[name]
		if name == "at" {
			at, err := json.Number(v.(string)).Int64() //nolint:forcetypeassert // Redis gives strings
			require.NoError(t, err)
			v = at - chat.RecallWindow.Milliseconds() - 1000
		}
		values = append(values, name, v)
	}
	require.NoError(t, b.store.Redis.Del(ctx, p.Log(s.ID)).Err())
	require.NoError(t, b.store.Redis.Do(ctx, append([]any{"XADD", p.Log(s.ID), fmt.Sprint(r.Seq, "-0")}, values...)...).Err())
	code(t, chat.CodeTooLate, b.Recall(ctx, uma.Actor, s.ID, r.Seq))
	require.Equal(t, "recalled, back: true", f.last())
	require.Equal(t, 1, f.readable())
}
