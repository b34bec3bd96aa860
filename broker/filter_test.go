package broker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// censor replaces "bad", refuses "vile", breaks on "broken", and remembers what it was asked.
type censor struct {
	mu    sync.Mutex
	asked []chat.FilterInput
}

func (c *censor) Filter(_ context.Context, in chat.FilterInput) (string, error) {
	c.mu.Lock()
	c.asked = append(c.asked, in)
	c.mu.Unlock()
	switch {
	case strings.Contains(in.Text, "vile"):
		return "", chat.Errorf(chat.CodeBadRequest, "not here")
	case strings.Contains(in.Text, "broken"):
		return "", errors.New("out of order")
	case strings.Contains(in.Text, "blown"):
		return strings.Repeat("x", chat.MaxText+1), nil
	}
	return strings.ReplaceAll(in.Text, "bad", "***"), nil
}

func (c *censor) texts() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range c.asked {
		out = append(out, in.Type+" "+string(in.From.Role)+" "+in.Text)
	}
	c.asked = nil
	return out
}

func body(t testing.TB, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}

// What participants write is looked at before anybody sees it, and nothing else is.
func TestFilter(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		f := &censor{}
		b := startNode(t, url, func(o *Options) { o.Filter = f })
		ctx, q := t.Context(), name("q")
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s, err := b.Open(ctx, uma.Actor, chat.OpenRequest{Queue: q, Subject: "a bad day", Meta: json.RawMessage(`{"x":"bad"}`)})
		require.NoError(t, err)
		require.Equal(t, "a *** day", s.Subject)
		require.JSONEq(t, `{"x":"bad"}`, string(s.Meta))
		_, err = b.Open(ctx, uma.Actor, chat.OpenRequest{Queue: name("q"), Subject: "vile"})
		code(t, chat.CodeBadRequest, err)
		ann.grab(s.ID)
		send := func(a chat.Actor, kind string, v any, key string) (chat.SendReply, error) {
			return b.Send(ctx, a, chat.SendRequest{Session: s.ID, Type: kind, Body: body(t, v), Key: key})
		}
		first, err := send(uma.Actor, chat.TypeText, "so bad \"quoted\" <&> \u2028 bad", "k1")
		require.NoError(t, err)
		again, err := send(uma.Actor, chat.TypeText, "so bad \"quoted\" <&> \u2028 bad", "k1")
		require.NoError(t, err)
		require.True(t, again.Duplicate)
		require.Equal(t, first.Mid, again.Mid)
		_, err = send(ann.Actor, chat.TypeText, "bad bot", "")
		require.NoError(t, err)
		_, err = send(uma.Actor, chat.TypeFile, chat.FileInfo{URL: "/api/v1/files/bad", Name: "bad.pdf", Size: 7, Mime: "x/bad"}, "")
		require.NoError(t, err)
		_, err = send(ann.Actor, chat.TypeNote, "bad customer", "")
		require.NoError(t, err)
		_, err = send(uma.Actor, chat.TypeCard, map[string]string{"a": "bad"}, "")
		require.NoError(t, err)
		_, err = b.Send(ctx, host, chat.SendRequest{Session: s.ID, As: chat.RoleBot, Body: body(t, "bad, says the host")})
		require.NoError(t, err)
		_, err = b.Send(ctx, host, chat.SendRequest{Session: s.ID, As: chat.RoleUser, Body: body(t, "bad, says its user")})
		require.NoError(t, err)
		h, err := b.History(ctx, ann.Actor, chat.HistoryRequest{Session: s.ID, After: 2, Before: -1})
		require.NoError(t, err)
		var got []string
		for _, m := range h.Messages {
			got = append(got, string(m.Body))
		}
		require.Equal(t, []string{chat.Encode("so *** \"quoted\" <&> \u2028 ***"), `"*** bot"`, chat.Encode(chat.FileInfo{URL: "/api/v1/files/bad", Name: "***.pdf", Size: 7, Mime: "x/bad"}),
			`"bad customer"`, `{"a":"bad"}`, `"bad, says the host"`, `"***, says its user"`}, got)

		require.NoError(t, b.Typing(ctx, uma.Actor, s.ID, "very bad"))
		ann.await("typing", func(e event) bool { return e["text"] == "very ***" })
		_, err = b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID, Reason: "vile"})
		code(t, chat.CodeBadRequest, err)
		ended, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID, Reason: "bad service"})
		require.NoError(t, err)
		require.Equal(t, "*** service", ended.Reason)
		require.Contains(t, f.texts(), "file user bad.pdf")
		clean(t, b)
	})
}

// What the filter refuses is not stored; what was stored is answered all the same.
func TestFilterRefuses(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	open, strict := startNode(t, url), startNode(t, url, func(o *Options) { o.Filter = &censor{} })
	ctx := t.Context()
	uma := user(t, open, name("uma"))
	s := uma.open(name("q"))
	vile := chat.SendRequest{Session: s.ID, Body: body(t, "vile"), Key: "k"}
	_, err := strict.Send(ctx, uma.Actor, vile)
	code(t, chat.CodeBadRequest, err)
	require.Equal(t, "not here", chat.AsError(err).Message)
	_, err = strict.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: body(t, "vile")})
	code(t, chat.CodeBadRequest, err)
	sent, err := open.Send(ctx, uma.Actor, vile) // before there was a filter
	require.NoError(t, err)
	require.EqualValues(t, 2, sent.Seq, "nothing was stored of what was refused")
	again, err := strict.Send(ctx, uma.Actor, vile)
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, sent.Mid, again.Mid)

	for _, text := range []string{"broken", "blown"} {
		_, err = strict.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: body(t, text)})
		code(t, chat.CodeInternal, err)
	}
	tom, err := strict.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("tom")}, Queue: name("q")})
	require.NoError(t, err)
	_, err = strict.Send(ctx, uma.Actor, chat.SendRequest{Session: tom.ID, Body: body(t, "vile"), Key: "k"})
	code(t, chat.CodeForbidden, err)
}

// A preview that is refused says only that somebody types.
func TestFilterRefusesAPreview(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(o *Options) { o.Filter = &censor{} })
	q := name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	require.NoError(t, b.Typing(t.Context(), uma.Actor, s.ID, "vile"))
	e := ann.await("typing", inSession(s.ID))
	require.Empty(t, e["text"])
}
